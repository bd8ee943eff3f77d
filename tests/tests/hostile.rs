//! Plugins that misbehave: each gets its typed error, leaves nothing written, and its neighbours keep answering.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use portcullis_tests::{Answer, Host, Plugin};
use serde_json::{Value, json};

/// Limits that make sure which one is reached first, on a machine however slow.
const LIMITS: &str = "\n[limits]\ndeadline_ms = 10_000\ncpu_ms = 1_000\nmemory_mib = 256\nhost_calls = 5_000\n";

/// What each behaviour is answered with.
const ANSWERS: &[(&str, u16, &str)] = &[
    ("error", 409, "conflict"),
    ("loop", 504, "cpu_exceeded"),
    ("recursion", 502, "stack_exceeded"),
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
            eprintln!("{behaviour}");
            let problem = trap(&host, behaviour)
                .expect_problem(*status, code)
                .problem()
                .to_string();
            for secret in ["backtrace", "wasm", "BREACH", "a panic of the plugin"] {
                assert!(
                    !problem.contains(secret),
                    "{behaviour} lets the client see {secret:?}: {problem}"
                );
            }
            assert_eq!(written(&host), 1, "{behaviour} left something written");
        }
    });
    trap(&host, "none").expect(201);
    assert_eq!(written(&host), 2);
}

#[test]
fn slow_host_calls_end_at_the_deadline() {
    let limits = LIMITS
        .replace("10_000", "500")
        .replace("cpu_ms = 1_000", "cpu_ms = 10_000")
        .replace("5_000", "1_000_000");
    let host = with_neighbour(&Plugin::named("hostile").with_more(&limits));
    let body = |_| json!({ "method": "POST", "path": "/api/traps", "body": { "behaviour": "none" } });
    for _ in 0..5 {
        let operations: Vec<_> = (0..100).map(body).collect();
        host.post("/api/batch", &json!({ "operations": operations }))
            .expect(200);
    }
    keeps_answering_while(&host, || {
        trap(&host, "slow-host-calls").expect_problem(504, "deadline_exceeded");
    });
    assert_eq!(written(&host), 500);
}

#[test]
fn a_trap_is_explained_in_the_log_and_a_flood_is_not_kept() {
    let host = with_neighbour(&hostile());
    let text = "the plugin's own words";
    let say = |behaviour: &str| host.post("/api/traps", &json!({ "behaviour": behaviour, "text": text }));
    say("panic").expect(502);
    host.wait_for_log("misbehave");
    say("log-flood").expect(502);
    let lines = host.log().lines().filter(|line| line.contains(text)).count();
    assert!((1..=200).contains(&lines), "{lines} lines of a flood are in the log");
}

#[test]
fn keys_lead_nowhere_but_into_the_plugins_own_bucket() {
    let other = hostile().renamed("hostile-b").serving("traps", "snares");
    let host = Host::init().with_plugin(&hostile()).with_plugin(&other).start();
    let touch = |resource: &str, bucket: &str, key: &str| {
        let body = json!({ "behaviour": "key", "bucket": bucket, "key": key });
        host.post(&format!("/api/{resource}"), &body)
    };
    touch("traps", "treasure", "gold").expect(201);
    touch("snares", "treasure", "gold").expect(201);
    for edge in EDGES {
        for (bucket, key) in [("treasure", *edge), (edge, "gold"), (edge, edge)] {
            let answer = touch("snares", bucket, key);
            assert!(answer.status < 500, "{bucket:?} {key:?}: {}", answer.text());
            assert!(
                !answer.text().contains("BREACH"),
                "{bucket:?} {key:?}: {}",
                answer.text()
            );
        }
    }
    let long = "k".repeat(1 << 16);
    assert!(touch("snares", &long, "gold").status < 500);
    assert!(touch("snares", "treasure", &long).status < 500);
}

#[test]
fn a_table_larger_than_its_limit_lets_no_call_start() {
    let host = with_neighbour(&Plugin::named("table-bomb"));
    host.post("/api/tables", &json!({}))
        .expect_problem(502, "table_exceeded");
    host.get("/api/products").expect(200);
}

#[test]
fn what_can_not_be_installed_is_named_and_its_neighbours_are_served() {
    let scratch = portcullis_tests::scratch();
    let garbage = scratch.path().join("garbage.wasm");
    fs::write(&garbage, b"\0asm\x0d\0\x01\0 and then nothing that makes sense")
        .expect("a scratch directory takes files");
    let malformed = Plugin::named("hooked").with_component(&garbage);
    for (plugin, path, named) in [
        (Plugin::named("missing-import"), "/api/wanters", "teleport"),
        (Plugin::named("wrong-version"), "/api/strangers", "portcullis:plugin"),
        (malformed, "/api/hooked", "hooked"),
    ] {
        let host = with_neighbour(&plugin);
        host.get("/api/products").expect(200);
        assert!([404, 503].contains(&host.get(path).status), "{path} is served");
        host.wait_for_log(named);
    }
}

fn hostile() -> Plugin {
    Plugin::named("hostile").with_more(LIMITS)
}

/// A host with this plugin, and the catalog beside it.
fn with_neighbour(plugin: &Plugin) -> Host {
    let host = Host::init().with_plugins(["catalog"]).with_plugin(plugin).start();
    host.operator()
        .post("/api/products", &json!({ "sku": "lamp", "name": "Lamp" }))
        .expect(201);
    host
}

fn trap(host: &Host, behaviour: &str) -> Answer {
    host.post("/api/traps", &json!({ "behaviour": behaviour }))
}

/// How many documents there are in the end.
fn written(host: &Host) -> Value {
    host.get("/api/traps?count=true&limit=1").expect(200).json()["count"].clone()
}

/// Does `this`, while a client of the neighbour wants, and gets, an answer to each of its requests.
fn keeps_answering_while(host: &Host, this: impl FnOnce()) {
    let (done, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let page = host.get("/api/products?sku=lamp").expect(200).json();
                assert_eq!(page["items"][0]["name"], "Lamp");
                answers.fetch_add(1, Ordering::Relaxed);
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
