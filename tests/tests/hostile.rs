//! Plugins that misbehave: each gets its typed error, leaves nothing written, and its neighbours keep answering.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use portcullis_tests::{Answer, Host, Plugin};
use serde_json::json;

/// Limits that make sure which one is reached first, on a machine however slow.
const LIMITS: &str = "\n[limits]\ndeadline_ms = 30_000\ncpu_ms = 1_000\nmemory_mib = 256\nhost_calls = 5_000\n";

/// A text that only the plugin has.
const WORDS: &str = "the plugin's own words";

/// What each behaviour is answered with.
const ANSWERS: &[(&str, u16, &str)] = &[
    ("error", 409, "conflict"),
    ("loop", 504, "cpu_exceeded"),
    ("recursion", 502, "stack_exceeded"),
    // The plugin's own stack ends where its memory does: it can't be told from any other access out of bounds.
    ("large-frames", 502, "plugin_trapped"),
    ("memory-bomb", 502, "memory_exceeded"),
    ("handles", 502, "host_calls_exceeded"),
    ("log-flood", 502, "host_calls_exceeded"),
    ("host-calls", 502, "host_calls_exceeded"),
    ("sleep", 502, "plugin_denied"),
    ("trap", 502, "plugin_trapped"),
    ("panic", 502, "plugin_trapped"),
    ("huge-response", 502, "output_exceeded"),
    ("broken-response", 502, "plugin_malformed"),
    ("forged-response", 502, "plugin_malformed"),
    ("file", 403, "forbidden"),
    ("network", 403, "forbidden"),
    ("environment", 403, "forbidden"),
    ("foreign-collection", 403, "forbidden"),
];

/// Names that would lead out of a bucket, if names could.
const EDGES: &[&str] = &[
    "",
    ".",
    "..",
    "../traces",
    "traces/../..",
    "\u{0}",
    "\u{ff}",
    "\u{10ffff}",
    "a\u{0}b",
    "%00",
];

#[test]
fn each_misbehaviour_has_its_answer_and_leaves_nothing_written() {
    let host = with_neighbour(&hostile());
    trap(&host, "none").expect(201);
    keeps_answering_while(&host, || {
        for (behaviour, status, code) in ANSWERS {
            let problem = trap(&host, behaviour)
                .expect_problem(*status, code)
                .problem()
                .to_string();
            for secret in ["backtrace", "wasm", "hostile", "BREACH", "a panic of the plugin"] {
                assert!(
                    !problem.contains(secret),
                    "{behaviour} lets the client see {secret:?}: {problem}"
                );
            }
            assert_eq!(written(&host), 1, "{behaviour} left something written");
        }
    });
    host.get("/api/products?sku=lamp").expect(200);
    trap(&host, "none").expect(201);
    assert_eq!(written(&host), 2);
}

#[test]
fn slow_host_calls_end_at_the_deadline() {
    let limits = LIMITS
        .replace("30_000", "500")
        .replace("cpu_ms = 1_000", "cpu_ms = 10_000")
        .replace("5_000", "1_000_000");
    let host = with_neighbour(&Plugin::named("hostile").with_more(&limits));
    // Few and large, so that however fast the machine, the deadline comes before the rows that a request may read.
    let text = "x".repeat(10_000);
    for _ in 0..20 {
        host.post("/api/traps", &json!({ "behaviour": "none", "text": text }))
            .expect(201);
    }
    keeps_answering_while(&host, || {
        trap(&host, "slow-host-calls").expect_problem(504, "deadline_exceeded");
    });
    assert_eq!(written(&host), 20);
}

#[test]
fn a_trap_is_explained_in_the_log_and_never_to_the_client() {
    let host = with_neighbour(&hostile());
    let body = json!({ "behaviour": "panic", "text": WORDS });
    let problem = host.post("/api/traps", &body).expect_problem(502, "plugin_trapped");
    let id = problem.problem()["request_id"].as_str().unwrap_or_default().to_owned();
    host.wait_for_log("hostile.wasm!portcullis:plugin/crud@0.1.0#create");
    let log = host.log();
    for explanation in [WORDS, "panic_fmt", &id] {
        assert!(log.contains(explanation), "the log has no {explanation:?}:\n{log}");
    }
    for secret in [WORDS, "panic", "hostile", "#create", "lib.rs"] {
        assert!(!problem.text().contains(secret), "{}", problem.text());
    }
}

#[test]
fn a_flood_of_lines_is_not_kept() {
    let host = with_neighbour(&hostile());
    let body = json!({ "behaviour": "log-flood", "text": WORDS });
    host.post("/api/traps", &body)
        .expect_problem(502, "host_calls_exceeded");
    host.wait_for_log("the rest is dropped");
    let lines = host.log().lines().filter(|line| line.contains(WORDS)).count();
    assert_eq!(lines, 100, "limits.log_lines is 100");
    assert_eq!(written(&host), 0);
}

#[test]
fn keys_lead_nowhere_but_into_the_plugins_own_bucket() {
    let other = hostile().renamed("hostile-b").serving("traps", "snares");
    let host = Host::init().with_plugin(&hostile()).with_plugin(&other).start();
    let touch = |resource: &str, bucket: &str, key: &str| {
        let body = json!({ "behaviour": "key", "bucket": bucket, "key": key });
        host.post(&format!("/api/{resource}"), &body)
    };
    // The plugin refuses to go on where a key that it never wrote has a value, with a word that is looked for below.
    touch("traps", "treasure", "gold").expect(201);
    touch("snares", "treasure", "gold").expect(201);
    let mut kept = 1;
    for edge in EDGES {
        for (bucket, key) in [("treasure", *edge), (edge, "gold"), (edge, edge)] {
            kept += u64::from(is_kept_apart(&touch("snares", bucket, key), bucket, key));
        }
    }
    assert!(kept > 1, "some of the names are names like others");
    let long = "k".repeat(1 << 16);
    for (bucket, key) in [(&*long, "gold"), ("treasure", &*long)] {
        assert!(!is_kept_apart(&touch("snares", bucket, key), bucket, key));
    }
    // What was refused was taken back, and nothing of it is the other plugin's.
    assert_eq!(count(&host, "snares"), kept);
    assert_eq!(count(&host, "traps"), 1);
    let again = touch("traps", "treasure", "gold").expect(500).problem();
    assert!(
        again["detail"].as_str().unwrap_or_default().contains("BREACH"),
        "{again}"
    );
}

/// Whether a key was written and found in its own bucket; otherwise the host must have refused its name.
fn is_kept_apart(answer: &Answer, bucket: &str, key: &str) -> bool {
    if answer.status == 201 {
        return true;
    }
    let problem = answer.clone().expect_problem(500, "plugin_error").problem();
    let detail = problem["detail"].as_str().unwrap_or_default();
    // The host's own words, which the plugin passes on.
    assert!(
        detail.starts_with("A key-value operation failed: "),
        "{bucket:?} {key:?}: {detail}"
    );
    false
}

#[test]
fn a_table_larger_than_its_limit_lets_no_call_start() {
    let host = with_neighbour(&Plugin::named("table-bomb"));
    keeps_answering_while(&host, || {
        host.post("/api/tables", &json!({}))
            .expect_problem(502, "table_exceeded");
    });
    assert_eq!(count(&host, "tables"), 0);
}

#[test]
fn what_can_not_be_installed_is_named_and_its_neighbours_are_served() {
    let scratch = portcullis_tests::scratch();
    let garbage = scratch.path().join("garbage.wasm");
    fs::write(&garbage, b"\0asm\x0d\0\x01\0 and then nothing that makes sense")
        .expect("a scratch directory takes files");
    let refused = [
        (
            Plugin::named("missing-import"),
            "missing-import",
            "/api/wanters",
            "portcullis:fixture/teleport@0.1.0",
        ),
        (
            Plugin::named("wrong-version"),
            "wrong-version",
            "/api/strangers",
            "built against portcullis:plugin/crud@9.0.0, but this host speaks portcullis:plugin@0.1.0",
        ),
        (
            Plugin::named("hooked").with_component(&garbage),
            "hooked",
            "/api/hooked",
            "this is no WebAssembly component that Portcullis can run",
        ),
    ];
    let setup = Host::init().with_plugins(["catalog"]);
    let host = refused
        .iter()
        .fold(setup, |setup, (plugin, ..)| setup.with_plugin(plugin))
        .start();
    host.get("/api/products").expect(200);
    for (_, name, path, reason) in refused {
        host.get(path).expect_problem(404, "not_found");
        host.wait_for_log(reason);
        let plugins = host.admin().get("/admin/api/plugins").expect(200).json();
        let listed = plugins
            .as_array()
            .expect("a list")
            .iter()
            .find(|plugin| plugin["name"] == name);
        let listed = listed.and_then(|plugin| plugin["refused"].as_str()).unwrap_or_default();
        assert!(listed.contains(reason), "{name} in {plugins}");
        let folder = host.setup().plugins().join(name);
        let output = Command::new(portcullis_tests::binary())
            .arg("check")
            .arg(folder.join(format!("{name}.wasm")))
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains(reason), "{name}: {said}");
    }
    host.get("/api/products").expect(200);
}

fn hostile() -> Plugin {
    Plugin::named("hostile").with_more(LIMITS)
}

/// A host with this plugin, and the catalog beside it.
fn with_neighbour(plugin: &Plugin) -> Host {
    // A neighbour on a fast machine asks more often than one address may.
    let host = Host::init()
        .with_plugins(["catalog"])
        .with_plugin(plugin)
        .with_config("[rates]\napi = { per_second = 0 }\n")
        .start();
    host.operator()
        .post("/api/products", &json!({ "sku": "lamp", "name": "Lamp" }))
        .expect(201);
    host
}

fn trap(host: &Host, behaviour: &str) -> Answer {
    host.post("/api/traps", &json!({ "behaviour": behaviour }))
}

/// How many documents there are in the end.
fn written(host: &Host) -> u64 {
    count(host, "traps")
}

fn count(host: &Host, resource: &str) -> u64 {
    let page = host
        .get(&format!("/api/{resource}?count=true&limit=1"))
        .expect(200)
        .json();
    page["count"].as_u64().expect("a count was asked for")
}

/// Does `this`, while a client of the neighbour wants, and gets, an answer to each of its requests.
fn keeps_answering_while(host: &Host, this: impl FnOnce()) {
    let (done, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            loop {
                let page = host.get("/api/products?sku=lamp").expect(200).json();
                assert_eq!(page["items"][0]["name"], "Lamp");
                answers.fetch_add(1, Ordering::Relaxed);
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        // Also when it panics, the neighbour has to end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(this));
        done.store(true, Ordering::Relaxed);
        neighbour.join().expect("the neighbour is answered");
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(answers.into_inner() > 0);
}
