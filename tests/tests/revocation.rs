//! What was revoked is revoked, even for a request whose body was on its way.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Client, Host, PASSWORD, Plugin};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";

fn host() -> Host {
    let access = r#"{ list = "anyone", read = "anyone", create = "role:editor" }"#;
    let catalog = Plugin::named("catalog").allowing(access);
    Host::init().with_plugin(&catalog).with_config(CHEAP_HASHING).start()
}

/// An account that is logged in: its path in the admin API, and its token.
fn account(host: &Host, roles: &[&str]) -> (String, String) {
    let id = host.account(ADA, roles);
    (format!("/admin/api/accounts/{id}"), host.session(ADA))
}

/// A request whose last byte is still to come.
struct Open {
    stream: TcpStream,
    last: u8,
}

impl Open {
    fn post(to: &Client, path: &str, token: &str, body: &Value) -> Self {
        let body = body.to_string();
        let (most, last) = body.split_at(body.len() - 1);
        let mut stream = TcpStream::connect(to.authority()).expect("the host listens");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(most.as_bytes()))
            .expect("the host reads");
        Self {
            stream,
            last: last.as_bytes()[0],
        }
    }

    /// The status of the answer once the last byte was sent.
    fn finish(mut self) -> u16 {
        self.stream.write_all(&[self.last]).expect("the host reads");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).expect("the host answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
    }
}

/// The host has begun with the request that was opened before, once it has answered another that came later; each time
/// anew, as nothing tells from outside how far it is.
fn settle(host: &Host) {
    for _ in 0..20 {
        host.api().get("/healthz").expect(200);
    }
}

#[test]
fn a_password_is_not_set_through_a_session_that_has_ended_meanwhile() {
    let host = host();
    let (path, token) = account(&host, &[]);
    let open = |token: &str| Open::post(host.api(), "/auth/password", token, &json!({ "new": ANOTHER_PASSWORD }));

    let request = open(&token);
    settle(&host);
    host.admin().delete(&format!("{path}/sessions")).expect(204);
    assert_eq!(request.finish(), 401);

    let token = host.session(ADA);
    let request = open(&token);
    settle(&host);
    host.admin().patch(&path, &json!({ "locked": true })).expect(200);
    assert_eq!(request.finish(), 401);
    host.admin().patch(&path, &json!({ "locked": false })).expect(200);
    host.login(ADA, ANOTHER_PASSWORD).expect_problem(401, "bad_credentials");
    host.login(ADA, PASSWORD).expect(200);
}

#[test]
fn a_document_is_not_made_with_a_role_that_was_taken_meanwhile() {
    let host = host();
    let (path, token) = account(&host, &["editor"]);
    let body = json!({ "sku": "lamp", "name": "Lamp" });
    let batch = json!({ "operations": [{ "method": "POST", "path": "/api/products", "body": body }] });
    let (single, several) = (
        Open::post(host.api(), "/api/products", &token, &body),
        Open::post(host.api(), "/api/batch", &token, &batch),
    );
    settle(&host);
    host.admin().patch(&path, &json!({ "roles": null })).expect(200);
    assert_eq!((single.finish(), several.finish()), (403, 403));
    assert_eq!(host.get("/api/products?count=true").expect(200).json()["count"], 0);
}

#[test]
fn a_document_is_not_made_with_a_role_that_policies_ask_for_and_that_was_taken_meanwhile() {
    let policies = r#"permit (principal in Portcullis::Role::"clerk", action == Portcullis::Action::"create", resource is Portcullis::products)
        when { resource has sku && resource.sku like "l*" };"#;
    let host = Host::init()
        .with_plugin(&Plugin::named("catalog"))
        .with_policies("shop.cedar", policies)
        .with_config(&format!("{CHEAP_HASHING}[policy]\ndirectory = \"policies\"\n"))
        .start();
    let (path, token) = account(&host, &["clerk"]);
    let body = |sku: &str| json!({ "sku": sku, "name": "Lamp" });
    let clerk = host.api().with_token(&token);
    clerk.post("/api/products", &body("lamp")).expect(201);
    clerk
        .post("/api/products", &body("bulb"))
        .expect_problem(403, "forbidden");
    let request = Open::post(host.api(), "/api/products", &token, &body("ladder"));
    settle(&host);
    host.admin().patch(&path, &json!({ "roles": [] })).expect(200);
    assert_eq!(request.finish(), 403);
}

#[test]
fn an_administrator_who_is_none_any_more_makes_no_other() {
    let host = host();
    let (path, token) = account(&host, &["admin"]);
    let body = json!({ "email": "eve@example.org", "roles": ["admin"] });
    let request = Open::post(&host.admin(), "/admin/api/accounts", &token, &body);
    settle(&host);
    host.admin().patch(&path, &json!({ "roles": [] })).expect(200);
    assert_eq!(request.finish(), 403);
    assert_eq!(
        host.admin().get("/admin/api/accounts").expect(200).json()["items"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}
