//! The audit log of a real host: what an operator does leaves an entry, what was not done leaves none, and nobody's address is
//! to be read in it.

use std::fs;
use std::path::PathBuf;

use portcullis_tests::{CHEAP_HASHING, Host, MailServer, Plugin, Setup, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

const READS: &str = "[grants.orders]\ncollections = { products = [\"read\"] }\n";
const ACTS_AS_SYSTEM: &str = "[grants.orders]\nwrite_only = [\"products\"]\n\
     collections = { products = { actions = [\"read\", \"update\"], as = \"system\" } }\n";

const POLICY: &str = r#"@id("clerks")
permit (principal in Portcullis::Role::"clerk", action == Portcullis::Action::"read", resource is Portcullis::products);
"#;

/// A host whose `orders` want more than they have: the stock, and what is hidden of it.
fn shop() -> Setup {
    let orders = Plugin::named("orders").with("[wants]\n", "[wants]\nwrite_only = [\"products\"]\n");
    Host::init()
        .with_plugins(["catalog"])
        .with_plugin(&orders)
        .with_policies("shop.cedar", POLICY)
        .with_config(&config(READS))
}

fn config(more: &str) -> String {
    format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}[policy]\ndirectory = \"policies\"\n{more}")
}

fn configure(host: &Host, more: &str) {
    fs::write(host.setup().config(), config(more)).expect("the configuration can be written");
}

/// All entries, the oldest first.
fn entries(host: &Host) -> Vec<Value> {
    let page = host.admin().get("/admin/api/audit?limit=200").expect(200).json();
    let mut entries = page["items"].as_array().cloned().unwrap_or_default();
    entries.reverse();
    entries
}

/// Who did which acts behind the first so many entries.
fn acts(host: &Host, behind: usize) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = entries(host).split_off(behind);
    entries
        .iter()
        .map(|entry| (text(&entry["act"]), text(&entry["actor"])))
        .collect()
}

fn told(acts: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(act, actor): &(&str, &str)| ((*act).to_owned(), (*actor).to_owned());
    acts.iter().map(owned).collect()
}

#[track_caller]
fn is_whole(host: &Host) {
    let verified = host.to_admin(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// What the last `policy.change` says of a plugin.
fn policy_of(host: &Host, plugin: &str) -> Value {
    let entries = entries(host);
    let last = entries.iter().rfind(|entry| entry["act"] == "policy.change");
    let plugins = last.map(|entry| entry["detail"]["plugins"].as_array().cloned().unwrap_or_default());
    let found = plugins.into_iter().flatten().find(|told| told["plugin"] == plugin);
    found.unwrap_or_else(|| panic!("no change of {plugin} in {entries:?}"))
}

/// The only file of policies.
fn policies_file(host: &Host) -> PathBuf {
    host.setup().policies().join("shop.cedar")
}

#[test]
fn the_audit_log_tells_what_plugins_may_touch_whenever_that_changes() {
    let host = shop().start();
    assert_eq!(acts(&host, 0), told(&[("policy.change", "host")]));
    let orders = policy_of(&host, "orders");
    let (system, reads) = (
        json!({ "actions": ["list", "read", "update"], "as_system": true }),
        json!({ "actions": ["list", "read"], "as_system": false }),
    );
    let same = |told: &Value, meant: &Value| assert_eq!(told, &json!({ "products": meant }));
    same(&orders["wanted"], &system);
    same(&orders["granted"], &reads);
    assert_eq!(
        (&orders["wanted_write_only"], &orders["granted_write_only"]),
        (&json!(["products"]), &json!([]))
    );
    assert_eq!(orders["denied"].as_array().map(Vec::len), Some(2), "{orders}");
    let policies = |host: &Host| entries(host).pop().expect("an entry")["detail"]["policies"].clone();
    let before = policies(&host);
    let file = before[0]["file"].as_str().unwrap_or_default();
    assert!(file.ends_with("shop.cedar"), "{before}");

    // More is granted, and the host is asked to see it.
    configure(&host, ACTS_AS_SYSTEM);
    host.admin().post("/admin/api/reload", &json!({})).expect(200);
    assert_eq!(
        acts(&host, 1),
        told(&[("plugin.reload", "operator"), ("policy.change", "operator")])
    );
    let orders = policy_of(&host, "orders");
    same(&orders["granted"], &system);
    assert_eq!(orders["granted_write_only"], json!(["products"]));
    assert_eq!(orders["denied"], json!([]));

    // Hidden fields alone are a change.
    configure(&host, &ACTS_AS_SYSTEM.replace("write_only = [\"products\"]\n", ""));
    host.admin().post("/admin/api/reload", &json!({})).expect(200);
    assert_eq!(policy_of(&host, "orders")["granted_write_only"], json!([]));
    assert_eq!(acts(&host, 4), told(&[("policy.change", "operator")]));

    // A signal is told like a request, with another policy and without one.
    fs::write(policies_file(&host), POLICY.replace("clerk", "seller")).expect("a scratch directory takes files");
    host.reload();
    host.wait_until("a change", || acts(&host, 5).len() >= 2);
    assert_ne!(policies(&host), before);
    host.reload();
    host.wait_until("a reload", || acts(&host, 5).len() >= 3);
    // What is refused is no change.
    // The reload before may still be under way: it must not find half a file.
    let (file, half) = (policies_file(&host), policies_file(&host).with_extension("new"));
    fs::write(&half, "permit").expect("a scratch directory takes files");
    fs::rename(&half, &file).expect("a file is replaced");
    host.admin().post("/admin/api/reload", &json!({})).expect(422);
    assert_eq!(
        acts(&host, 5),
        told(&[
            ("plugin.reload", "operator"),
            ("policy.change", "operator"),
            ("plugin.reload", "operator"),
            ("plugin.reload", "operator")
        ])
    );
    is_whole(&host);
}

#[test]
fn what_an_operator_does_is_told_and_what_was_not_done_is_not() {
    let server = MailServer::refusing();
    let host = Host::init()
        .with_plugins(["catalog"])
        .with_config(&config(&server.config()))
        .with_policies("shop.cedar", POLICY)
        .start();
    let id = host.account(ADA, &[]);
    host.account(EVE, &["admin"]);
    let admin = host.admin();
    let mut seen = entries(&host).len();
    let mut then = |meant: &[(&str, &str)]| {
        assert_eq!(acts(&host, seen), told(meant));
        seen += meant.len();
    };

    let path = format!("/admin/api/accounts/{id}");
    admin.patch(&path, &json!({ "roles": ["clerk"] })).expect(200);
    then(&[("account.change", "operator")]);
    let member = host.admin_as_anybody().with_token(&host.session(ADA));
    member.get("/admin/api/accounts").expect_problem(403, "forbidden");
    let by_ada = json!({ "account": id }).to_string();
    then(&[("admin.refused", &by_ada)]);
    host.admin_as_anybody().get("/admin/api/accounts").expect(401);
    then(&[]);

    admin.post("/admin/api/reload", &json!({})).expect(200);
    admin.get("/admin/api/backup").expect(200);
    admin.get("/admin/api/export/products").expect(200);
    admin.get(&format!("/admin/api/export/{ADA}")).expect(404);
    admin.post("/admin/api/import/products", &json!([])).expect(200);
    admin.post(&format!("/admin/api/import/{ADA}"), &json!([])).expect(404);
    then(&[
        ("plugin.reload", "operator"),
        ("store.backup", "operator"),
        ("resource.export", "operator"),
        ("resource.import", "operator"),
    ]);

    // A mail that nobody takes; the one who drops it is an administrator.
    host.post("/auth/password/forgot", &json!({ "email": ADA })).expect(204);
    let mut letter = Value::Null;
    host.wait_until("a dead letter", || {
        let dead = admin.get("/admin/api/outbox?state=dead").expect(200).json();
        letter = dead["items"][0]["id"].clone();
        letter.is_string()
    });
    let letter = letter.as_str().expect("an id");
    let eve = host.admin_as_anybody().with_token(&host.session(EVE));
    let nothing = "0198c0de-0000-7000-8000-000000000001";
    for (method, path) in [
        ("DELETE", format!("/admin/api/outbox/{nothing}")),
        ("POST", format!("/admin/api/outbox/{nothing}/retry")),
    ] {
        eve.request(method, &path).send().expect_problem(404, "not_found");
    }
    then(&[]);
    let dropping = format!("/admin/api/outbox/{letter}");
    eve.delete(&dropping).expect(204);
    eve.delete(&dropping).expect_problem(404, "not_found");
    let entry = entries(&host).pop().expect("an entry");
    assert_eq!(
        (&entry["act"], &entry["subject"]),
        (&json!("outbox.drop"), &json!(letter))
    );
    assert!(entry["actor"]["account"].is_string(), "{entry}");
    assert!(entry["personal"].to_string().contains("127.0.0.1"), "{entry}");

    is_whole(&host);
    // What tells of a person is sealed: the rest names nobody, and once the keys are gone neither does what is stored.
    for mut entry in entries(&host) {
        entry["personal"].take();
        assert!(!entry.to_string().contains("@example.org"), "{entry}");
    }
    for email in [ADA, EVE] {
        let erased = host.to_admin(&["account", "erase", email, "--verify", "--yes"]);
        assert!(erased.status.success(), "{erased:?}");
    }
    for entry in entries(&host) {
        assert_eq!(entry["personal"], json!([]), "{entry}");
    }
    is_whole(&host);
}

#[test]
fn a_store_that_is_restored_says_so() {
    let mut host = Host::init().with_plugins(["catalog"]).start();
    let copy = host.admin().get("/admin/api/backup").expect(200);
    let file = host.setup().directory().join("copy");
    fs::write(&file, &copy.body).expect("a scratch directory takes files");
    host.account(ADA, &[]);
    let count = entries(&host).len();
    host.terminate();
    let restored = host.command(&["restore", &file.to_string_lossy()]);
    assert!(restored.status.success(), "{restored:?}");
    host.restart();
    // Making the account was after the copy.
    let entries = entries(&host);
    let entry = entries.last().expect("an entry");
    assert_eq!(
        (entries.len(), &entry["act"], &entry["actor"]),
        (count, &json!("store.restore"), &json!("console"))
    );
    assert_eq!(entry["detail"]["sha256"].as_str().map(str::len), Some(64), "{entry}");
    is_whole(&host);
}
