//! `POST /api/batch`: all or nothing.

use portcullis_tests::{Host, Plugin};
use serde_json::{Value, json};

fn shop() -> Host {
    Host::init().with_plugins(["catalog"]).start()
}

fn create(sku: &str) -> Value {
    json!({"method": "POST", "path": "/api/products", "body": {"sku": sku, "name": "Thing"}})
}

fn skus(host: &Host) -> usize {
    host.get("/api/products").expect(200).json()["items"]
        .as_array()
        .map_or(0, Vec::len)
}

#[test]
fn a_batch_does_several_things_at_once() {
    let host = shop();
    let first = host
        .operator()
        .post("/api/products", &json!({"sku": "old", "name": "Old"}))
        .expect(201);
    let path = first.location();
    let operations = json!([
        create("new"),
        {"method": "PATCH", "path": path, "body": {"name": "Older"}, "if_match": "\"1\""},
        {"method": "GET", "path": path},
        {"method": "DELETE", "path": path},
    ]);
    let answer = host
        .operator()
        .post("/api/batch", &json!({"operations": operations}))
        .expect(200)
        .json();
    let statuses: Vec<_> = (0..4).map(|index| answer["results"][index]["status"].clone()).collect();
    assert_eq!(statuses, [201, 200, 200, 204]);
    // A later operation sees what an earlier one did.
    assert_eq!(
        (&answer["results"][2]["body"]["name"], &answer["results"][2]["etag"]),
        (&json!("Older"), &json!("\"2\""))
    );
    host.get(&path).expect(404);
    host.get(
        answer["results"][0]["location"]
            .as_str()
            .expect("a new document has a location"),
    )
    .expect(200);
}

#[test]
fn an_answer_that_would_be_too_large_undoes_all() {
    // Large documents take a slow machine longer than the default.
    let probe = Plugin::named("probe").with_more("\n[limits]\ndeadline_ms = 10_000\n");
    let host = Host::init().with_plugin(&probe).start();
    let text = "x".repeat(1_000_000);
    let path = host
        .api()
        .post("/api/probe", &json!({"text": text}))
        .expect(201)
        .location();
    let read = json!({"method": "GET", "path": path});
    let mut operations = vec![read; 20];
    operations[0] = json!({"method": "PATCH", "path": path, "body": {"text": text, "seen": true}});
    let refused = host.api().post("/api/batch", &json!({"operations": operations}));
    let refused = refused.expect_problem(422, "too_large").problem();
    assert_eq!(refused["operation"], 16, "{refused}");
    assert_eq!(host.get(&path).expect(200).json()["seen"], Value::Null);
    host.api()
        .post("/api/batch", &json!({"operations": operations[..16]}))
        .expect(200);
    assert_eq!(host.get(&path).expect(200).json()["seen"], true);
}

#[test]
fn one_failure_undoes_all_and_is_named() {
    let host = shop();
    let operations = json!([create("one"), create("two"), create("one")]);
    let refused = host
        .operator()
        .post("/api/batch", &json!({"operations": operations}))
        .expect_problem(409, "conflict");
    assert_eq!(refused.problem()["operation"], 2);
    assert_eq!(skus(&host), 0);

    let invalid = json!([create("one"), {"method": "POST", "path": "/api/products", "body": {"sku": "two"}}]);
    let refused = host
        .operator()
        .post("/api/batch", &json!({"operations": invalid}))
        .expect_problem(422, "invalid");
    let pointer = refused.problem()["errors"][0]["pointer"].to_string();
    assert!(pointer.starts_with("\"/operations/1/body"), "{pointer}");
    assert_eq!(skus(&host), 0);
}

#[test]
fn each_operation_is_authorized() {
    let host = shop();
    let operations = json!([{"method": "GET", "path": "/api/products"}, create("one")]);
    let refused = host.api().post("/api/batch", &json!({"operations": operations}));
    assert_eq!(refused.expect_problem(401, "unauthenticated").problem()["operation"], 1);
}

#[test]
fn what_is_no_batch_is_refused() {
    let host = shop();
    let too_many: Vec<_> = (0..101).map(|number| create(&format!("p{number}"))).collect();
    for body in [
        json!({}),
        json!({"operations": []}),
        json!({"operations": 7}),
        json!({"operations": [], "more": 1}),
        json!({"operations": too_many}),
    ] {
        host.operator()
            .post("/api/batch", &body)
            .expect_problem(400, "malformed_batch");
    }
    for operation in [
        json!(7),
        json!({"method": "POST"}),
        json!({"path": "/api/products"}),
        json!({"method": 7, "path": "/api/products"}),
        json!({"method": "POST", "path": "/api/batch", "body": {}}),
        json!({"method": "DELETE", "path": "/api/products"}),
        json!({"method": "DELETE", "path": "/api/products/x", "body": {}}),
        json!({"method": "POST", "path": "/api/products", "body": {}, "colour": 1}),
    ] {
        host.operator()
            .post("/api/batch", &json!({"operations": [operation]}))
            .expect_problem(400, "malformed_operation");
    }
}
