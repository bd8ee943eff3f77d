//! What is another's, and what is the host's to decide: nobody reaches the one or says the other, on any way.

use portcullis_tests::{ANOTHER_PASSWORD, Answer, CHEAP_HASHING, Client, Host, PASSWORD, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";
/// Everybody sees a document, and only its owner changes it.
const SHOWN: &str = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
/// Only its owner sees a document.
const HIDDEN: &str = r#"{ list = "owner", read = "owner", create = "member", update = "owner", delete = "owner" }"#;

/// A host whose documents may have any fields, with Ada and Eve.
fn host(access: &str) -> (Host, Client, Client) {
    let plugin = Plugin::named("hooked").allowing(access);
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}");
    let host = Host::init().with_plugin(&plugin).with_config(&config).start();
    for email in [ADA, EVE] {
        host.account(email, &[]);
    }
    let (ada, eve) = (host.member(ADA), host.member(EVE));
    (host, ada, eve)
}

fn id_of(client: &Client) -> Value {
    client.get("/auth/me").expect(200).json()["id"].clone()
}

/// A body with one member more.
fn with(body: &Value, name: &str, value: &Value) -> Value {
    let mut more = body.clone();
    more[name] = value.clone();
    more
}

fn batch(client: &Client, operation: &Value) -> Answer {
    client.post("/api/batch", &json!({ "operations": [operation] }))
}

#[test]
fn no_form_of_an_account_takes_a_member_that_is_not_its_own() {
    let (host, _, eve) = host(SHOWN);
    let hostile = [
        ("roles", json!(["admin"])),
        ("id", json!("0198c0de-0000-7000-8000-000000000001")),
        ("owner", id_of(&host.member(ADA))),
        ("account", id_of(&host.member(ADA))),
        ("verified", json!(true)),
        ("locked", json!(false)),
        ("created_at", json!("2000-01-01T00:00:00Z")),
    ];
    // A session has another token behind a proof, and is ended by a new password: so the one comes before the other.
    let (anybody, proving) = (host.api(), host.member(EVE));
    let forms = [
        (
            anybody,
            "/auth/register",
            json!({ "email": "bob@example.org", "password": PASSWORD }),
            201,
        ),
        (
            anybody,
            "/auth/login",
            json!({ "email": EVE, "password": PASSWORD }),
            200,
        ),
        (anybody, "/auth/password/forgot", json!({ "email": EVE }), 204),
        (&proving, "/auth/reauthenticate", json!({ "password": PASSWORD }), 200),
        (&eve, "/auth/tokens", json!({ "name": "a", "scopes": ["read"] }), 201),
        (&eve, "/auth/password", json!({ "new": ANOTHER_PASSWORD }), 200),
    ];
    for (client, path, form, status) in forms {
        for (name, value) in &hostile {
            let answer = client.post(path, &with(&form, name, value));
            assert_eq!(answer.status, 422, "{path} takes {name}: {}", answer.text());
        }
        // It is the one member that was refused.
        client.post(path, &form).expect(status);
    }
    let again = host.login(EVE, ANOTHER_PASSWORD).expect(200).json();
    assert_eq!(again["account"]["roles"], json!([]));
}

#[test]
fn nobody_says_whose_a_new_document_is_which_id_it_has_or_when_it_was_made() {
    let (_host, ada, eve) = host(SHOWN);
    let (lamp, mine) = (json!({ "name": "Lamp" }), id_of(&eve));
    for (name, value) in [
        ("owner", id_of(&ada)),
        ("owner", Value::Null),
        ("id", json!("0198c0de-0000-7000-8000-000000000001")),
        ("created_at", json!("2000-01-01T00:00:00Z")),
        ("updated_at", json!("2000-01-01T00:00:00Z")),
    ] {
        let body = with(&lamp, name, &value);
        eve.post("/api/hooked", &body).expect_problem(422, "invalid");
        let operation = json!({ "method": "POST", "path": "/api/hooked", "body": body });
        batch(&eve, &operation).expect_problem(422, "invalid");
        // Nor beside the body.
        let operation = json!({ "method": "POST", "path": "/api/hooked", "body": lamp });
        batch(&eve, &with(&operation, name, &value)).expect_problem(400, "malformed_operation");
        let around = with(&json!({ "operations": [operation] }), name, &value);
        eve.post("/api/batch", &around).expect_problem(400, "malformed_batch");

        // Who sends a document back as it was read changes nothing of this.
        let made = eve.post("/api/hooked", &lamp).expect(201);
        let (path, made) = (made.location(), made.json());
        assert_eq!(made["owner"], mine);
        let write = |method: &str| json!({ "method": method, "path": path, "body": body });
        eve.put(&path, &body).expect(200);
        eve.patch(&path, &body).expect(200);
        batch(&eve, &write("PUT")).expect(200);
        batch(&eve, &write("PATCH")).expect(200);
        let now = eve.get(&path).expect(200).json();
        for kept in ["owner", "id", "created_at"] {
            assert_eq!(now[kept], made[kept], "{name}");
        }
        if name == "updated_at" {
            assert_ne!(now[name], value);
        }
    }
}

/// Each way to change a document, alone and in a batch.
fn attempts(client: &Client, path: &str) -> Vec<Answer> {
    let body = json!({ "name": "Mine" });
    vec![
        client.put(path, &body),
        client.patch(path, &body),
        client.delete(path),
        batch(client, &json!({ "method": "PUT", "path": path, "body": body })),
        batch(client, &json!({ "method": "PATCH", "path": path, "body": body })),
        batch(client, &json!({ "method": "DELETE", "path": path })),
    ]
}

#[test]
fn a_document_of_another_that_is_shown_is_changed_on_no_way() {
    let (_host, ada, eve) = host(SHOWN);
    let lamp = ada.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    let (path, etag) = (lamp.location(), lamp.etag());
    for answer in attempts(&eve, &path) {
        answer.expect_problem(403, "forbidden");
    }
    // What comes before it in a batch is undone with it.
    let operations = json!([
        { "method": "POST", "path": "/api/hooked", "body": { "name": "Book" } },
        { "method": "DELETE", "path": path },
    ]);
    let refused = eve.post("/api/batch", &json!({ "operations": operations }));
    assert_eq!(refused.expect_problem(403, "forbidden").json()["operation"], 1);
    let head = eve.request("HEAD", &path).send().expect(200);
    assert_eq!((head.etag(), head.body.len()), (etag, 0), "nothing was changed");
    let list = eve.get("/api/hooked?count=true").expect(200).json();
    assert_eq!(list["count"], 1);
}

#[test]
fn a_document_of_another_that_is_hidden_is_not_told_from_one_that_is_not_there() {
    let (_host, ada, eve) = host(HIDDEN);
    let lamp = ada.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    let nothing = "/api/hooked/01890000-0000-7000-8000-000000000000";
    let heads = [&lamp.location(), nothing].map(|path| {
        let head = eve.request("HEAD", path).send().expect(404);
        assert_eq!(head.header("etag"), None);
        head.header("content-length").map(str::to_owned)
    });
    assert_eq!(heads[0], heads[1]);
    let told = |answer: Answer| {
        let mut problem = answer.expect_problem(404, "not_found").json();
        problem["request_id"].take();
        problem
    };
    let (hidden, absent) = (attempts(&eve, &lamp.location()), attempts(&eve, nothing));
    for (hidden, absent) in hidden.into_iter().zip(absent) {
        assert_eq!(told(hidden), told(absent));
    }
    // Neither is it found out by a condition on it.
    let request = eve.request("DELETE", &lamp.location()).header("if-match", "\"9\"");
    request.send().expect_problem(404, "not_found");
    assert_eq!(ada.get(&lamp.location()).expect(200).etag(), lamp.etag());
}

/// The id of the first thing in a list.
fn first(client: &Client, path: &str) -> String {
    let items = client.get(path).expect(200).json()["items"].clone();
    items[0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_session_or_a_token_of_another_is_not_there() {
    let (host, ada, eve) = host(SHOWN);
    let new = json!({ "name": "a", "scopes": ["write"] });
    let made = ada.post("/auth/tokens", &new).expect(201).json();
    let id = made["id"].as_str().expect("an id");
    let session = first(&ada, "/auth/sessions");
    for path in [
        format!("/auth/sessions/{session}"),
        format!("/auth/tokens/{id}"),
        // One is not the other, either.
        format!("/auth/sessions/{id}"),
        format!("/auth/tokens/{session}"),
        format!("/auth/passkeys/{session}"),
        format!("/auth/identities/{session}"),
    ] {
        eve.delete(&path).expect_problem(404, "not_found");
    }
    eve.delete("/auth/sessions").expect(204);
    ada.get("/auth/me").expect(200);
    let program = host.api().with_token(made["token"].as_str().expect("a token"));
    program.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    // To whom they belong, they are there.
    ada.delete(&format!("/auth/tokens/{id}")).expect(204);
    program.get("/api/hooked").expect_problem(401, "unauthenticated");
    ada.delete(&format!("/auth/sessions/{session}")).expect(204);
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
}

#[test]
fn a_program_has_what_its_scopes_name_and_no_account_of_its_own() {
    let (host, ada, _) = host(SHOWN);
    let lamp = ada.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    let lamp = lamp.location();
    let new = json!({ "name": "b", "scopes": ["hooked:read"] });
    let made = ada.post("/auth/tokens", &new).expect(201).json();
    let program = host.api().with_token(made["token"].as_str().expect("a token"));
    program.get(&lamp).expect(200);
    for answer in attempts(&program, &lamp) {
        answer.expect_problem(403, "forbidden");
    }
    program.get("/auth/me").expect_problem(403, "forbidden");
    program.post("/auth/tokens", &new).expect_problem(403, "forbidden");
    ada.get(&lamp).expect(200);
}
