//! The resource API as a client sees it: methods, conditions, pages, negotiation, headers.

use portcullis_tests::{Answer, Host};
use serde_json::{Value, json};

fn shop() -> Host {
    Host::init().with_plugins(["catalog"]).start()
}

fn lamp() -> Value {
    json!({"sku": "lamp", "name": "Lamp", "category": "home", "price_cents": 1200, "stock": 3})
}

fn make(host: &Host, product: &Value) -> Answer {
    host.operator().post("/api/products", product).expect(201)
}

#[test]
fn a_document_lives_from_post_to_delete() {
    let host = shop();
    let made = make(&host, &lamp());
    let path = made.location();
    assert_eq!(path, format!("/api/products/{}", made.id()));
    assert_eq!(made.etag(), "\"1\"");

    let read = host.get(&path).expect(200);
    assert_eq!((read.json(), read.etag()), (made.json(), made.etag()));
    let document = read.json();
    assert_eq!((&document["sku"], &document["owner"]), (&json!("lamp"), &Value::Null));
    assert!(document["created_at"].as_str().is_some_and(|time| time.ends_with('Z')));

    // A document may be sent back as it was read.
    let mut next = document;
    next["name"] = json!("Bright lamp");
    let replaced = host.operator().put(&path, &next).expect(200);
    assert_eq!(
        (replaced.etag(), &replaced.json()["name"]),
        ("\"2\"".to_owned(), &json!("Bright lamp"))
    );

    let patched = host
        .operator()
        .patch(&path, &json!({"stock": null, "price_cents": 1300}))
        .expect(200);
    assert_eq!(
        (patched.json().get("stock"), &patched.json()["price_cents"]),
        (None, &json!(1300))
    );

    host.operator().delete(&path).expect(204);
    host.get(&path).expect_problem(404, "not_found");
    host.operator().delete(&path).expect_problem(404, "not_found");
}

#[test]
fn conditions_are_kept() {
    let host = shop();
    let path = make(&host, &lamp()).location();
    let operator = host.operator();
    let with = |method, name, value| operator.request(method, &path).header(name, value);

    assert!(with("GET", "if-none-match", "\"1\"").send().expect(304).body.is_empty());
    assert!(
        with("GET", "if-none-match", "W/\"1\", \"9\"")
            .send()
            .expect(304)
            .body
            .is_empty()
    );
    with("GET", "if-none-match", "\"2\"").send().expect(200);
    with("GET", "if-match", "\"2\"")
        .send()
        .expect_problem(412, "precondition_failed");

    with("PUT", "if-match", "\"2\"")
        .json(&lamp())
        .send()
        .expect_problem(412, "precondition_failed");
    with("PUT", "if-match", "\"1\"").json(&lamp()).send().expect(200);
    with("PUT", "if-match", "*").json(&lamp()).send().expect(200);
    with("DELETE", "if-match", "\"1\"")
        .send()
        .expect_problem(412, "precondition_failed");
    with("DELETE", "if-match", "\"3\"").send().expect(204);
}

#[test]
fn only_the_operator_changes_the_shop() {
    let host = shop();
    let refused = host
        .api()
        .post("/api/products", &lamp())
        .expect_problem(401, "unauthenticated");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    host.api()
        .with_token("guessed")
        .post("/api/products", &lamp())
        .expect_problem(401, "unauthenticated");
    host.api()
        .with_token("guessed")
        .get("/api/products")
        .expect_problem(401, "unauthenticated");
}

#[test]
fn pages_are_linked_and_counted() {
    let host = shop();
    for number in 0..5 {
        make(
            &host,
            &json!({"sku": format!("p{number}"), "name": "Same", "category": "home"}),
        );
    }
    let mut path = "/api/products?category=home&sort=-name&limit=2&count=true".to_owned();
    let mut found = Vec::new();
    loop {
        let page = host.get(&path).expect(200);
        let body = page.json();
        assert_eq!(body["count"], 5);
        let items = body["items"].as_array().expect("a page has items");
        found.extend(items.iter().map(|item| item["sku"].to_string()));
        let Some(link) = page.header("link") else {
            assert_eq!(body["next_cursor"], Value::Null);
            break;
        };
        assert!(link.ends_with("; rel=\"next\""), "{link}");
        link.trim_start_matches('<')
            .split('>')
            .next()
            .expect("a link has a target")
            .clone_into(&mut path);
    }
    found.sort();
    assert_eq!(found, ["\"p0\"", "\"p1\"", "\"p2\"", "\"p3\"", "\"p4\""]);
}

#[test]
fn head_and_options_tell_what_get_would() {
    let host = shop();
    let path = make(&host, &lamp()).location();
    let get = host.get(&path);
    let head = host.api().request("HEAD", &path).send().expect(200);
    assert!(head.body.is_empty());
    for name in ["content-type", "content-length", "etag"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let options = host.api().request("OPTIONS", &path).send().expect(204);
    assert_eq!(options.header("allow"), Some("GET, HEAD, PUT, PATCH, DELETE, OPTIONS"));
    let wrong = host
        .api()
        .request("POST", &path)
        .json(&lamp())
        .send()
        .expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), options.header("allow"));
}

#[test]
fn long_answers_are_compressed_when_asked_for() {
    let host = shop();
    let product = json!({"sku": "book", "name": "Book", "description": "a long story ".repeat(500)});
    let path = make(&host, &product).location();
    let plain = host.get(&path).expect(200);
    assert_eq!(plain.header("content-encoding"), None);
    for coding in ["gzip", "br", "zstd"] {
        let answer = host
            .api()
            .request("GET", &path)
            .header("accept-encoding", coding)
            .send()
            .expect(200);
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert!(answer.body.len() < plain.body.len() / 4);
        assert_eq!(answer.etag(), format!("\"1-{coding}\""));
        let again = host
            .api()
            .request("GET", &path)
            .header("if-none-match", &answer.etag())
            .send();
        again.expect(304);
    }
    let short = host
        .api()
        .request("GET", "/healthz")
        .header("accept-encoding", "gzip")
        .send()
        .expect(200);
    assert_eq!(short.header("content-encoding"), None);
}

#[test]
fn every_answer_has_its_id_and_says_that_it_is_no_page() {
    let host = shop();
    // A browser may keep documents, and asks each time whether they are still so.
    for (path, kept) in [
        ("/healthz", "no-store"),
        ("/api/products", "private, no-cache"),
        ("/nothing", "no-store"),
    ] {
        let answer = host.get(path);
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some(kept), "{path}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for directive in [
            "default-src",
            "object-src",
            "base-uri",
            "form-action",
            "frame-ancestors",
        ] {
            assert!(policy.contains(&format!("{directive} 'none'")), "{path}: {policy}");
        }
    }
    let named = host
        .api()
        .request("GET", "/nothing")
        .header("x-request-id", "mine-7")
        .send()
        .expect(404);
    assert_eq!(
        (named.header("x-request-id"), &named.problem()["request_id"]),
        (Some("mine-7"), &json!("mine-7"))
    );
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = host
        .api()
        .request("GET", "/healthz")
        .header("traceparent", trace)
        .send()
        .expect(200);
    assert!(
        traced
            .header("traceparent")
            .is_some_and(|out| out.starts_with(&trace[..36]) && out != trace)
    );
}

#[test]
fn the_admin_listener_is_for_the_operator() {
    let host = shop();
    host.admin_as_anybody()
        .get("/admin/api/plugins")
        .expect_problem(401, "unauthenticated");
    host.admin_as_anybody().get("/healthz").expect(200);
    host.admin().get("/admin/api/plugins").expect(200);
    host.operator()
        .get("/admin/api/plugins")
        .expect_problem(404, "not_found");
}
