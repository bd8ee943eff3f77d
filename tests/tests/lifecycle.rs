//! Starting, stopping and changing a host, as an operator does it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_tests::{Host, repository};
use serde_json::{Value, json};

const GRANTS: &str = r#"
[grants.orders]
collections = { products = { actions = ["read", "update"], as = "system" } }
"#;

#[test]
fn a_restart_keeps_every_document_as_it_was() {
    let mut host = catalog();
    let path = product(&host, "lamp");
    let before = host.get(&path).expect(200);
    assert!(host.terminate().status.success());
    host.restart();
    let after = host.get(&path).expect(200);
    assert_eq!((after.json(), after.etag()), (before.json(), before.etag()));
}

#[test]
fn the_operator_token_is_for_its_owner_only_and_stays() {
    let mut host = catalog();
    let file = host.setup().data().join("operator-token");
    let mode = fs::metadata(&file).expect("there is a token").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = host.token();
    assert!(token.len() >= 32, "{} characters can be guessed", token.len());
    host.restart();
    assert_eq!(host.token(), token);
    let forged = host.api().with_token(&"0".repeat(token.len()));
    forged
        .post("/api/products", &json!({ "sku": "a", "name": "A" }))
        .expect_problem(401, "unauthenticated");
}

#[test]
fn a_request_under_way_is_answered_before_the_host_stops() {
    let mut host = catalog();
    let body = json!({ "sku": "lamp", "name": "Lamp" }).to_string();
    let mut connection = TcpStream::connect(host.api().authority()).expect("the host listens");
    let head = format!(
        "POST /api/products HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        host.token(),
        body.len()
    );
    connection.write_all(head.as_bytes()).expect("the host reads");
    // The host asks for the body: the request is under way.
    let mut continued = [0; 25];
    connection.read_exact(&mut continued).expect("the host answers");
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");

    host.ask_to_stop();
    host.wait_until("the listener to close", || {
        TcpStream::connect(host.api().authority()).is_err()
    });
    connection.write_all(body.as_bytes()).expect("the host still reads");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .expect("the host answers, then closes");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(host.wait().status.success());

    host.restart();
    assert_eq!(
        host.get("/api/products?sku=lamp&count=true").expect(200).json()["count"],
        1
    );
}

#[test]
fn sighup_brings_a_new_grant_into_effect() {
    let host = shop("");
    order(&host).expect(403);
    fs::write(host.setup().config(), GRANTS).expect("the configuration can be written");
    host.reload();
    host.wait_until("the grant", || order(&host).status == 201);
}

#[test]
fn the_command_reload_does_what_sighup_does_and_says_what_is_wrong() {
    let host = shop("");
    fs::write(host.setup().config(), GRANTS).expect("the configuration can be written");
    let output = host.to_admin(&["reload"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The listeners came from flags, which are no change of the file.
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "reloaded");
    order(&host).expect(201);
    fs::write(host.setup().config(), "[grants.orders]\ncolections = {}\n").expect("the configuration can be written");
    let output = host.to_admin(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("colections") && said.contains("2"),
        "it names neither key nor line:\n{said}"
    );
}

#[test]
fn a_plugin_is_told_of_the_request_what_the_operator_lets_it_see() {
    let host = Host::init().with_plugins(["witness"]).start();
    let operator = host.operator();
    let told = || {
        let asked = operator
            .request("POST", "/api/witness")
            .header("x-request-id", "asked-1");
        let asked = asked
            .header("accept-language", "de-AT, en;q=0.5")
            .header("x-tenant", "acme");
        asked.json(&json!({})).send().expect(201).json()
    };
    let seen = told();
    for (name, value) in [
        ("request", json!("asked-1")),
        ("caller", json!("operator")),
        ("is_editor", json!(true)),
        ("locale", json!("de-AT")),
        ("tenant", Value::Null),
        ("authorization", Value::Null),
    ] {
        assert_eq!(seen[name], value, "{name} in {seen}");
    }
    let stranger = host.api().post("/api/witness", &json!({})).expect(201).json();
    assert_eq!(
        (&stranger["caller"], &stranger["locale"]),
        (&json!("anonymous"), &json!("en"))
    );

    fs::write(host.setup().config(), "[request]\nheaders = [\"x-tenant\"]\n")
        .expect("the configuration can be written");
    succeed(&host, host.to_admin(&["reload"]));
    let seen = told();
    assert_eq!(
        (&seen["tenant"], &seen["authorization"]),
        (&json!("acme"), &Value::Null)
    );
}

#[test]
fn a_bad_configuration_keeps_the_old_one() {
    let host = shop(GRANTS);
    fs::write(host.setup().config(), "[grants.orders]\ncolections = {}\n").expect("the configuration can be written");
    host.reload();
    host.wait_for_log("colections");
    order(&host).expect(201);
}

#[test]
fn a_host_with_a_bad_configuration_does_not_start_and_says_where_it_is_bad() {
    let said = Host::init().with_config("[server]\nlisten = 8080\n").start_in_vain();
    assert!(said.contains("portcullis.toml:2"), "{said}");
}

#[test]
fn a_data_directory_serves_one_host_at_a_time() {
    let host = catalog();
    let output = host.command(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("in use") || said.contains("another"), "{said}");
    host.get("/api/products").expect(200);
}

#[test]
fn what_is_backed_up_is_restored_verified_and_exported() {
    let mut host = catalog();
    let paths = ["lamp", "bulb", "wire"].map(|sku| product(&host, sku));
    let before = paths.each_ref().map(|path| host.get(path).expect(200));
    let dump = host.setup().directory().join("backup");
    let dump = dump.to_str().expect("a scratch path is UTF-8").to_owned();
    succeed(&host, host.to_admin(&["backup", &dump]));

    // What comes after the backup is not in it.
    product(&host, "later");
    let exported = succeed(&host, host.to_admin(&["export", "products"]));
    assert_eq!(exported.lines().count(), 4);
    for line in exported.lines() {
        let document: Value = serde_json::from_str(line).expect("a line is a document");
        assert!(document["sku"].is_string(), "{line}");
    }

    assert!(host.terminate().status.success());
    succeed(&host, host.command(&["verify"]));
    succeed(&host, host.command(&["restore", &dump]));
    succeed(&host, host.command(&["verify"]));
    host.restart();
    for (path, before) in paths.iter().zip(before) {
        let after = host.get(path).expect(200);
        assert_eq!((after.json(), after.etag()), (before.json(), before.etag()));
    }
    assert_eq!(host.get("/api/products?count=true").expect(200).json()["count"], 3);
    assert_eq!(
        host.get("/api/products?sku=bulb&count=true").expect(200).json()["count"],
        1
    );
}

#[test]
fn a_damaged_backup_is_refused_and_the_data_stays() {
    let mut host = catalog();
    let path = product(&host, "lamp");
    let dump = host.setup().directory().join("backup");
    succeed(
        &host,
        host.to_admin(&["backup", dump.to_str().expect("a scratch path is UTF-8")]),
    );
    let mut bytes = fs::read(&dump).expect("a backup is a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(&dump, bytes).expect("the backup can be written");
    host.terminate();
    let output = host.command(&["restore", dump.to_str().expect("a scratch path is UTF-8")]);
    assert!(!output.status.success());
    host.restart();
    host.get(&path).expect(200);
}

#[test]
fn health_and_readiness_are_told_apart() {
    let host = catalog();
    for client in [host.api(), host.admin_as_anybody()] {
        client.get("/healthz").expect(200);
        client.get("/readyz").expect(200);
    }
}

#[test]
fn the_unit_tests_of_the_plugins_pass() {
    let plugins = repository().join("plugins");
    let status = std::process::Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--workspace", "--target-dir"])
        .arg(plugins.join("target"))
        .current_dir(&plugins)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "{status}");
}

fn catalog() -> Host {
    Host::init().with_plugins(["catalog"]).start()
}

/// A shop with one lamp to sell.
fn shop(config: &str) -> Host {
    let host = Host::init()
        .with_plugins(["catalog", "orders"])
        .with_config(config)
        .start();
    product(&host, "lamp");
    host
}

/// Makes a product; returns its path.
fn product(host: &Host, sku: &str) -> String {
    let body = json!({ "sku": sku, "name": sku, "price_cents": 500, "stock": 100 });
    host.operator().post("/api/products", &body).expect(201).location()
}

fn order(host: &Host) -> portcullis_tests::Answer {
    host.operator()
        .post("/api/orders", &json!({ "lines": [{ "sku": "lamp", "quantity": 1 }] }))
}

/// What a command printed; fails the test where the command failed.
#[track_caller]
fn succeed(host: &Host, output: std::process::Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\nthe host's log:\n{}", host.log());
    String::from_utf8(output.stdout).expect("commands print UTF-8")
}
