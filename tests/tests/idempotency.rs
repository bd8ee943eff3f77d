//! `Idempotency-Key`: a request that is sent twice is done once.

use portcullis_tests::{Answer, CHEAP_HASHING, Client, Host, Plugin};
use serde_json::{Value, json};

fn shop() -> Host {
    Host::init().with_plugins(["catalog"]).start()
}

fn create(host: &Host, key: &str, product: &Value) -> Answer {
    host.operator()
        .request("POST", "/api/products")
        .header("idempotency-key", key)
        .json(product)
        .send()
}

fn product(sku: &str) -> Value {
    json!({"sku": sku, "name": "Thing"})
}

#[test]
fn a_repeated_request_has_the_same_answer_and_no_other_effect() {
    let host = shop();
    let first = create(&host, "k1", &product("one")).expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let second = create(&host, "k1", &product("one")).expect(201);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        (second.json(), second.location(), second.etag()),
        (first.json(), first.location(), first.etag())
    );
    assert_eq!(host.get("/api/products?count=true").expect(200).json()["count"], 1);
}

#[test]
fn a_replay_is_rendered_as_it_is_asked_for_now() {
    let host = shop();
    create(&host, "k1", &product("one")).expect(201);
    let again = host
        .operator()
        .request("POST", "/api/products")
        .header("idempotency-key", "k1")
        .header("accept", "application/xml")
        .json(&product("one"))
        .send()
        .expect(201);
    assert!(again.text().contains("<string key=\"sku\">one</string>"));
}

#[test]
fn a_replay_is_authorised_anew() {
    let access = r#"{ list = "anyone", read = "anyone", create = "role:editor" }"#;
    let catalog = Plugin::named("catalog").allowing(access);
    let host = Host::init().with_plugin(&catalog).with_config(CHEAP_HASHING).start();
    let id = host.account("ada@example.org", &["editor"]);
    let editor = host.api().with_token(&host.session("ada@example.org"));
    let send = || {
        let request = editor.request("POST", "/api/products").header("idempotency-key", "k1");
        request.json(&product("one")).send()
    };
    let first = send().expect(201);
    let account = format!("/admin/api/accounts/{id}");
    host.admin().patch(&account, &json!({ "roles": [] })).expect(200);
    send().expect_problem(403, "forbidden");
    host.admin()
        .patch(&account, &json!({ "roles": ["editor"] }))
        .expect(200);
    let again = send().expect(201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    host.admin().patch(&account, &json!({ "locked": true })).expect(200);
    send().expect(401);
}

#[test]
fn the_same_key_with_another_body_is_a_mistake() {
    let host = shop();
    create(&host, "k1", &product("one")).expect(201);
    create(&host, "k1", &product("two")).expect_problem(422, "idempotency_mismatch");
    create(&host, "k2", &product("two")).expect(201);
}

#[test]
fn a_batch_that_only_reads_keeps_nothing() {
    let host = shop();
    let list = json!({ "operations": [{ "method": "GET", "path": "/api/products" }] });
    for _ in 0..2 {
        let answer = host
            .api()
            .request("POST", "/api/batch")
            .header("idempotency-key", "only-reads")
            .json(&list)
            .send()
            .expect(200);
        assert_eq!(answer.header("idempotency-replayed"), None);
    }
}

#[test]
fn a_failed_request_keeps_nothing_under_its_key() {
    let host = shop();
    create(&host, "k1", &json!({"sku": "one"})).expect_problem(422, "invalid");
    create(&host, "k1", &product("one")).expect(201);
}

#[test]
fn an_answer_that_is_too_large_to_be_kept_undoes_all() {
    // Large documents take a slow machine longer than the default.
    let probe = Plugin::named("probe").with_more("\n[limits]\ndeadline_ms = 10_000\n");
    let host = Host::init().with_plugin(&probe).start();
    let large = json!({"text": "x".repeat(900_000)});
    let path = host.api().post("/api/probe", &large).expect(201).location();
    let read = json!({"method": "GET", "path": path});
    let mut operations = vec![read; 3];
    operations[0] = json!({"method": "PATCH", "path": path, "body": {"seen": true}});
    let batch = json!({"operations": operations});
    let keyed = host
        .api()
        .request("POST", "/api/batch")
        .header("idempotency-key", "large");
    keyed.json(&batch).send().expect_problem(422, "too_large");
    assert_eq!(host.get(&path).expect(200).json()["seen"], Value::Null);
    host.api().post("/api/batch", &batch).expect(200);
    assert_eq!(host.get(&path).expect(200).json()["seen"], true);
}

#[test]
fn less_is_kept_for_anybody_than_for_a_known_caller() {
    let host = Host::init().with_plugins(["probe"]).start();
    let body = json!({"text": "x".repeat(100_000)});
    let send = |client: &Client| {
        let create = client.request("POST", "/api/probe").header("idempotency-key", "k");
        create.json(&body).send()
    };
    send(host.api()).expect_problem(422, "too_large");
    let first = send(&host.operator()).expect(201);
    assert_eq!(send(&host.operator()).expect(201).json(), first.json());
}

#[test]
fn an_answer_survives_a_restart() {
    let mut host = shop();
    let first = create(&host, "k1", &product("one")).expect(201);
    host.restart();
    let second = create(&host, "k1", &product("one")).expect(201);
    assert_eq!(second.json(), first.json());
}

#[test]
fn a_batch_is_repeated_as_a_whole() {
    let host = shop();
    let batch = json!({"operations": [{"method": "POST", "path": "/api/products", "body": product("one")}]});
    let send = || {
        host.operator()
            .request("POST", "/api/batch")
            .header("idempotency-key", "b1")
            .json(&batch)
            .send()
    };
    let first = send().expect(200);
    let second = send().expect(200);
    assert_eq!(
        (second.header("idempotency-replayed"), second.json()),
        (Some("true"), first.json())
    );
}

#[test]
fn a_malformed_key_is_refused() {
    let host = shop();
    for key in ["a b", &"x".repeat(256)] {
        create(&host, key, &product("one")).expect_problem(400, "malformed_header");
    }
}
