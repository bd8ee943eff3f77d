//! What belongs to an account, and what a role allows: through every route of a resource, for each kind of caller.

use portcullis_tests::{CHEAP_HASHING, Client, Host, Plugin};
use serde_json::{Value, json};

/// A host whose products have these access words.
fn host(access: &str) -> Host {
    let catalog = Plugin::named("catalog").allowing(access);
    Host::init().with_plugin(&catalog).with_config(CHEAP_HASHING).start()
}

/// A client of a new account that is logged in.
fn member(host: &Host, email: &str, roles: &[&str]) -> Client {
    host.account(email, roles);
    host.member(email)
}

fn product(sku: &str) -> Value {
    json!({ "sku": sku, "name": "Lamp" })
}

fn skus(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items.iter().filter_map(|item| item["sku"].as_str()).collect()
}

#[test]
fn what_an_account_owns_is_nobody_elses_on_any_route() {
    let host = host(r#"{ list = "owner", read = "owner", create = "member", update = "owner", delete = "owner" }"#);
    let (ada, eve) = (
        member(&host, "ada@example.org", &[]),
        member(&host, "eve@example.org", &[]),
    );
    let lamp = ada.post("/api/products", &product("lamp")).expect(201);
    let owner = lamp.json()["owner"].clone();
    assert_eq!(owner, ada.get("/auth/me").expect(200).json()["id"]);
    let lamp = lamp.location();
    eve.post("/api/products", &product("book")).expect(201);

    // The other's does not exist for her, whatever she tries.
    eve.get(&lamp).expect_problem(404, "not_found");
    eve.put(&lamp, &product("mine")).expect_problem(404, "not_found");
    eve.patch(&lamp, &json!({ "name": "Mine" }))
        .expect_problem(404, "not_found");
    eve.delete(&lamp).expect_problem(404, "not_found");
    let list = eve.get("/api/products?count=true").expect(200).json();
    assert_eq!((skus(&list), &list["count"]), (vec!["book"], &json!(1)));
    let found = eve.get("/api/products?sku=lamp&count=true").expect(200).json();
    assert_eq!((skus(&found), &found["count"]), (vec![], &json!(0)));
    let batch = |operation: Value| eve.post("/api/batch", &json!({ "operations": [operation] }));
    batch(json!({ "method": "GET", "path": lamp })).expect_problem(404, "not_found");
    batch(json!({ "method": "DELETE", "path": lamp })).expect_problem(404, "not_found");
    batch(json!({ "method": "PUT", "path": lamp, "body": product("mine") })).expect_problem(404, "not_found");

    // Nobody gives a document to another, nor takes one.
    let given = json!({ "sku": "gift", "name": "Gift", "owner": owner });
    eve.post("/api/products", &given).expect_problem(422, "invalid");
    let kept = eve.get("/api/products?sku=book").expect(200).json();
    let book = format!("/api/products/{}", kept["items"][0]["id"].as_str().expect("an id"));
    eve.put(&book, &json!({ "sku": "book", "name": "Book", "owner": owner }))
        .expect(200);
    assert_ne!(eve.get(&book).expect(200).json()["owner"], owner);

    // To its owner it is all there, and to the operator and an administrator as well.
    ada.patch(&lamp, &json!({ "name": "Bright lamp" })).expect(200);
    let administrator = member(&host, "root@example.org", &["admin"]);
    for all in [host.operator(), administrator] {
        all.get(&lamp).expect(200);
        assert_eq!(all.get("/api/products?count=true").expect(200).json()["count"], 2);
    }
    ada.delete(&lamp).expect(204);
}

#[test]
fn one_who_is_not_signed_in_is_asked_to_wherever_that_would_help() {
    let host =
        host(r#"{ list = "owner", read = "member", create = "role:editor", update = "owner", delete = "nobody" }"#);
    let lamp = host
        .operator()
        .post("/api/products", &product("lamp"))
        .expect(201)
        .location();
    let anybody = host.api();
    anybody.get("/api/products").expect_problem(401, "unauthenticated");
    anybody.get(&lamp).expect_problem(401, "unauthenticated");
    anybody
        .post("/api/products", &product("book"))
        .expect_problem(401, "unauthenticated");
    anybody
        .patch(&lamp, &json!({ "name": "Mine" }))
        .expect_problem(401, "unauthenticated");
    anybody.delete(&lamp).expect_problem(403, "forbidden");
}

#[test]
fn a_role_allows_from_the_request_after_it_was_given_until_the_one_after_it_was_taken() {
    let host = host(
        r#"{ list = "anyone", read = "anyone", create = "role:editor", update = "role:editor", delete = "role:admin" }"#,
    );
    let ada = member(&host, "ada@example.org", &[]);
    let id = ada.get("/auth/me").expect(200).json()["id"].clone();
    let path = format!("/admin/api/accounts/{}", id.as_str().expect("an id"));
    let roles = |roles: &[&str]| host.admin().patch(&path, &json!({ "roles": roles })).expect(200);

    ada.post("/api/products", &product("lamp"))
        .expect_problem(403, "forbidden");
    roles(&["editor"]);
    let lamp = ada.post("/api/products", &product("lamp")).expect(201).location();
    ada.delete(&lamp).expect_problem(403, "forbidden");
    roles(&[]);
    ada.patch(&lamp, &json!({ "name": "Mine" }))
        .expect_problem(403, "forbidden");
    roles(&["admin"]);
    ada.delete(&lamp).expect(204);
}

#[test]
fn readable_but_not_writable_is_403() {
    let host = host(r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#);
    let (ada, eve) = (
        member(&host, "ada@example.org", &[]),
        member(&host, "eve@example.org", &[]),
    );
    let lamp = ada.post("/api/products", &product("lamp")).expect(201).location();
    eve.get(&lamp).expect(200);
    eve.patch(&lamp, &json!({ "name": "Mine" }))
        .expect_problem(403, "forbidden");
    eve.delete(&lamp).expect_problem(403, "forbidden");
    ada.patch(&lamp, &json!({ "name": "Bright lamp" })).expect(200);
}
