//! A second factor that an operator requires: what a session without one is refused, on every way, and what it may do.

use portcullis_tests::{CHEAP_HASHING, Client, Host, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ROOT: &str = "root@example.org";
const ADA: &str = "ada@example.org";
const ACCESS: &str =
    r#"{ list = "member", read = "member", create = "role:admin", update = "role:admin", delete = "role:admin" }"#;

fn host(required_for: &str) -> Host {
    let required = format!("[accounts.second_factor]\nrequired_for = {required_for}\n");
    Host::init()
        .with_plugin(&Plugin::named("catalog").allowing(ACCESS))
        .with_config(&format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}{required}"))
        .start()
}

/// Asks on every way on which a session gets at something that is not its own account.
fn ask(host: &Host, client: &Client) -> Vec<(&'static str, u16)> {
    let lamp = json!({ "sku": "lamp", "name": "Lamp" });
    let create = json!({ "method": "POST", "path": "/api/products", "body": lamp });
    let admin = host.admin().with_token(client.token().expect("a session"));
    vec![
        ("a list", client.get("/api/products").status),
        ("a document", client.post("/api/products", &lamp).status),
        (
            "a batch",
            client.post("/api/batch", &json!({ "operations": [create] })).status,
        ),
        ("the archive", client.get("/auth/me/export").status),
        (
            "a token",
            client
                .post("/auth/tokens", &json!({ "name": "a", "scopes": ["read"] }))
                .status,
        ),
        ("the admin API", admin.get("/admin/api/plugins").status),
    ]
}

fn refused_acts(host: &Host) -> usize {
    let entries = host.admin().get("/admin/api/audit").expect(200).json();
    let entries = entries["items"].as_array().expect("entries").clone();
    entries.iter().filter(|entry| entry["act"] == "admin.refused").count()
}

#[test]
fn an_administrator_without_a_second_factor_does_nothing_but_turn_one_on() {
    let host = host("[\"admin\"]");
    host.account(ROOT, &["admin"]);
    host.account(ADA, &[]);
    let mut root = host.member(ROOT);
    for (what, status) in ask(&host, &root) {
        assert_eq!(status, 403, "{what}");
    }
    root.get("/api/products").expect_problem(403, "second_factor_required");
    assert_eq!(refused_acts(&host), 1);
    // Nor with a cookie.
    let by_cookie = host
        .api()
        .request("GET", "/api/products")
        .header("cookie", &host.cookie(ROOT));
    by_cookie
        .header("sec-fetch-site", "same-origin")
        .send()
        .expect_problem(403, "second_factor_required");
    // Whoever need not have one is not held back.
    host.member(ADA).get("/api/products").expect(200);

    root.get("/auth/me").expect(200);
    host.turn_on_codes(&mut root);
    for ((what, status), good) in ask(&host, &root).into_iter().zip([200, 201, 409, 200, 201, 200]) {
        assert_eq!(status, good, "{what}");
    }
    root.delete("/auth/totp").expect_problem(409, "conflict");
}

#[test]
fn everybody_may_have_to_use_a_second_factor() {
    let host = host("[\"*\"]");
    host.account(ADA, &[]);
    let mut ada = host.member(ADA);
    ada.get("/api/products").expect_problem(403, "second_factor_required");
    host.turn_on_codes(&mut ada);
    ada.get("/api/products").expect(200);
    // The operator's own token is no account's.
    host.operator().get("/api/products").expect(200);
    let nobody: Value = host.get("/api/products").expect(401).json();
    assert_eq!(nobody["code"], "unauthenticated");
}
