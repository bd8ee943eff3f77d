//! What the catalog stores and what it refuses, in the SDK's host in memory.

use portcullis_sdk::testing::Host;
use portcullis_sdk::{Document, Hooks, Problem, Result, documents};
use serde_json::{Value, json};

use crate::Catalog;

/// What the host does for `POST /api/products`: hook, schema, unique fields.
fn create(host: &Host, body: &Value) -> Result<Document> {
    host.call(|| {
        let body = Catalog::before_create("products", body.clone().into())?;
        documents::insert("products", &body)
    })
}

fn host() -> Host {
    Host::for_plugin(env!("CARGO_MANIFEST_DIR"))
}

/// The pointers of a 422.
fn refused_at(outcome: Result<Document>) -> Vec<String> {
    match outcome {
        Err(Problem::Invalid(violations)) => violations.into_iter().map(|violation| violation.pointer).collect(),
        other => panic!("expected a 422, got {other:?}"),
    }
}

#[test]
fn tags_and_category_are_normalised() {
    let body = json!({
        "sku": "0ad", "name": "  0 A.D. ", "category": " Games ", "tags": ["x11", " Strategy", "X11 ", "game::rts"],
    });
    let product = create(&host(), &body).unwrap().body.to_value().unwrap();
    assert_eq!(
        product,
        json!({ "sku": "0ad", "name": "0 A.D.", "category": "games", "tags": ["game::rts", "strategy", "x11"] })
    );
}

#[test]
fn an_update_is_normalised_too() {
    let host = host();
    let current = create(&host, &json!({ "sku": "0ad", "name": "0 A.D." })).unwrap();
    let next = json!({ "sku": "0ad", "name": "0 A.D.", "category": "GAMES" });
    let stored = host
        .call(|| Catalog::before_update("products", current, next.into()))
        .unwrap();
    assert_eq!(stored.to_value().unwrap()["category"], "games");
}

#[test]
fn what_makes_no_sense_is_refused_at_its_place() {
    for (body, pointer) in [
        (json!({ "sku": "a", "name": " " }), "/name"),
        (json!({ "sku": "a", "name": "two\nlines" }), "/name"),
        (json!({ "sku": "a", "name": "A", "category": "\t" }), "/category"),
        (json!({ "sku": "a", "name": "A", "tags": ["x", "  "] }), "/tags"),
        (
            json!({ "sku": "a", "name": "A", "homepage": "example.org" }),
            "/homepage",
        ),
        (
            json!({ "sku": "a", "name": "A", "homepage": "javascript://alert(1)" }),
            "/homepage",
        ),
        (json!({ "sku": "a", "name": "A", "homepage": "https://" }), "/homepage"),
        (
            json!({ "sku": "a", "name": "A", "homepage": "https://exa mple.org/" }),
            "/homepage",
        ),
        (json!({ "sku": "a b", "name": "A" }), "/sku"),
        (json!({ "sku": "a", "name": "A", "size_kib": -1 }), ""),
        (json!({ "sku": "a", "name": "A", "stock": 1_000_000_001 }), "/stock"),
        (json!({ "sku": "a", "name": "A", "colour": "red" }), ""),
    ] {
        assert_eq!(refused_at(create(&host(), &body)), [pointer], "{body}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let body = json!({ "sku": "a", "name": "", "category": " ", "homepage": "?" });
    assert_eq!(refused_at(create(&host(), &body)), ["/name", "/category", "/homepage"]);
}

#[test]
fn a_sku_is_taken_once() {
    let host = host();
    create(&host, &json!({ "sku": "0ad", "name": "0 A.D." })).unwrap();
    let again = create(&host, &json!({ "sku": "0ad", "name": "Another" }));
    assert!(matches!(again, Err(Problem::Conflict(_))));
}

/// A record of the sample under the names that `import --rename name=sku,summary=name,section=category,installed_kib=size_kib`
/// gives its fields.
fn renamed(record: &str) -> Value {
    let mut record: serde_json::Map<String, Value> = serde_json::from_str(record).unwrap();
    for (from, to) in [
        ("name", "sku"),
        ("summary", "name"),
        ("section", "category"),
        ("installed_kib", "size_kib"),
    ] {
        let value = record.remove(from).unwrap();
        assert_eq!(record.insert(to.to_owned(), value), None, "two fields called {to}");
    }
    record.into()
}

#[test]
fn every_record_of_the_sample_is_stored_unchanged_but_for_case() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/sample/products.jsonl");
    let records = std::fs::read_to_string(std::env::var("CATALOG_RECORDS").unwrap_or(default.to_owned())).unwrap();
    let (host, mut count) = (host(), 0);
    for record in records.lines().map(renamed) {
        let stored = create(&host, &record).unwrap_or_else(|problem| panic!("{problem}: {record}"));
        let stored = stored.body.to_value().unwrap();
        for (field, value) in record.as_object().unwrap() {
            if field != "tags" {
                assert_eq!(&stored[field], value, "{field} of {}", record["sku"]);
            }
        }
        count += 1;
    }
    assert!(count >= 2_000, "only {count} records");
}
