//! What orders do to the stock, and which steps they take, in the SDK's host in memory.

use portcullis_sdk::testing::Host;
use portcullis_sdk::{Crud, Document, Json, Problem, Result};
use serde_json::{Value, json};

use crate::Orders;

/// A shop with two games for sale, a book that is not, and the plugin as its manifest declares it.
fn shop() -> Host {
    let here = env!("CARGO_MANIFEST_DIR");
    let host = Host::for_plugin(here).beside(format!("{here}/../catalog"), here);
    host.insert(
        "products",
        &json!({ "sku": "chess", "name": "Chess", "price_cents": 1_999, "stock": 10 }),
    );
    host.insert(
        "products",
        &json!({ "sku": "go", "name": "Go", "price_cents": 2_500, "stock": 3 }),
    );
    host.insert("products", &json!({ "sku": "book", "name": "A book" }));
    host
}

fn order(host: &Host, lines: &Value) -> Result<Document> {
    host.call(|| Orders::create("orders", json!({ "lines": lines }).into()))
}

fn step(host: &Host, id: &str, status: &str) -> Result<Document> {
    host.call(|| Orders::patch("orders", id, json!({ "status": status }).into()))
}

fn stock(host: &Host, sku: &str) -> u64 {
    let products = host
        .documents("products")
        .into_iter()
        .map(|product| value(&product.body));
    products.into_iter().find(|product| product["sku"] == sku).unwrap()["stock"]
        .as_u64()
        .unwrap()
}

fn value(body: &Json) -> Value {
    body.to_value().unwrap()
}

fn message<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    match outcome {
        Err(Problem::Conflict(message)) => message,
        other => panic!("expected a 409, got {other:?}"),
    }
}

fn pointers<T: std::fmt::Debug>(outcome: Result<T>) -> Vec<String> {
    match outcome {
        Err(Problem::Invalid(violations)) => violations.into_iter().map(|violation| violation.pointer).collect(),
        other => panic!("expected a 422, got {other:?}"),
    }
}

#[test]
fn an_order_takes_its_pieces_and_keeps_its_prices() {
    let host = shop();
    let made = order(
        &host,
        &json!([{ "sku": "chess", "quantity": 2 }, { "sku": "go", "quantity": 1 }]),
    )
    .unwrap();
    assert_eq!(
        value(&made.body),
        json!({
            "lines": [
                { "sku": "chess", "quantity": 2, "price_cents": 1_999 },
                { "sku": "go", "quantity": 1, "price_cents": 2_500 },
            ],
            "status": "pending",
            "total_cents": 6_498,
        })
    );
    assert_eq!((stock(&host, "chess"), stock(&host, "go")), (8, 2));
}

#[test]
fn lines_of_one_product_are_joined() {
    let host = shop();
    let lines =
        json!([{ "sku": "go", "quantity": 1 }, { "sku": "chess", "quantity": 1 }, { "sku": "go", "quantity": 2 }]);
    let made = value(&order(&host, &lines).unwrap().body);
    assert_eq!(made["lines"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&made["lines"][0]["sku"], &made["lines"][0]["quantity"]),
        (&json!("go"), &json!(3))
    );
    assert_eq!(
        message(order(&host, &json!([{ "sku": "go", "quantity": 1 }]))),
        "go is sold out."
    );
}

#[test]
fn an_order_that_fails_takes_nothing() {
    let host = shop();
    let lines = json!([{ "sku": "chess", "quantity": 2 }, { "sku": "go", "quantity": 4 }]);
    assert_eq!(message(order(&host, &lines)), "Only 3 pieces of go are left.");
    assert_eq!((stock(&host, "chess"), stock(&host, "go")), (10, 3));
    assert!(host.documents("orders").is_empty());
}

#[test]
fn the_last_pieces_are_sold_once() {
    let host = shop();
    let sold = (0..20)
        .filter(|_| order(&host, &json!([{ "sku": "chess", "quantity": 1 }])).is_ok())
        .count();
    assert_eq!((sold, stock(&host, "chess")), (10, 0));
}

#[test]
fn what_is_not_for_sale_is_a_conflict_and_what_is_unknown_is_invalid() {
    let host = shop();
    assert_eq!(
        message(order(&host, &json!([{ "sku": "book", "quantity": 1 }]))),
        "book is not for sale: it has no price or no stock."
    );
    let unknown = order(
        &host,
        &json!([{ "sku": "chess", "quantity": 1 }, { "sku": "ludo", "quantity": 1 }]),
    );
    assert_eq!(pointers(unknown), ["/lines/1/sku"]);
}

#[test]
fn a_client_sets_neither_status_nor_prices_nor_total() {
    let body = json!({
        "lines": [{ "sku": "chess", "quantity": 1, "price_cents": 1 }], "status": "paid", "total_cents": 1,
    });
    let outcome = shop().call(|| Orders::create("orders", body.into()));
    assert_eq!(pointers(outcome), ["/status", "/total_cents", "/lines/0/price_cents"]);
}

#[test]
fn quantities_are_limited_after_joining() {
    let lines = json!([{ "sku": "chess", "quantity": 999 }, { "sku": "chess", "quantity": 2 }]);
    assert_eq!(pointers(order(&shop(), &lines)), ["/lines/1/quantity"]);
}

#[test]
fn every_step_is_either_legal_or_a_conflict() {
    let ways: [(&[&str], &[&str]); 5] = [
        (&[], &["paid", "cancelled"]),
        (&["paid"], &["shipped", "cancelled"]),
        (&["paid", "shipped"], &[]),
        (&["cancelled"], &[]),
        (&["paid", "cancelled"], &[]),
    ];
    for (way, legal) in ways {
        for next in ["pending", "paid", "shipped", "cancelled"] {
            let host = shop();
            let id = order(&host, &json!([{ "sku": "go", "quantity": 1 }])).unwrap().id;
            for status in way {
                step(&host, &id, status).unwrap();
            }
            let outcome = step(&host, &id, next);
            if legal.contains(&next) {
                assert_eq!(value(&outcome.unwrap().body)["status"], next);
            } else {
                message(outcome);
            }
        }
    }
}

#[test]
fn a_cancelled_order_returns_its_pieces_once() {
    let host = shop();
    let id = order(&host, &json!([{ "sku": "go", "quantity": 2 }])).unwrap().id;
    step(&host, &id, "paid").unwrap();
    step(&host, &id, "cancelled").unwrap();
    assert_eq!(stock(&host, "go"), 3);
    assert_eq!(
        message(step(&host, &id, "cancelled")),
        "The order is cancelled; it does not change any more."
    );
    assert_eq!(stock(&host, "go"), 3);
}

#[test]
fn only_the_status_of_an_order_changes() {
    let host = shop();
    let made = order(&host, &json!([{ "sku": "go", "quantity": 1 }])).unwrap();
    let patch = |patch: Value| host.call(|| Orders::patch("orders", &made.id, patch.into()));
    assert_eq!(
        pointers(patch(json!({ "lines": [{ "sku": "go", "quantity": 9 }] }))),
        ["/lines"]
    );
    assert_eq!(
        pointers(patch(json!({ "total_cents": 0, "status": "paid" }))),
        ["/total_cents"]
    );
    assert_eq!(pointers(patch(json!({ "note": "by the door" }))), [""]);
    assert_eq!(patch(json!({})).unwrap().revision, 1);

    let mut read = value(&made.body);
    read["status"] = "paid".into();
    let replaced = host.call(|| Orders::replace("orders", &made.id, read.into())).unwrap();
    assert_eq!(
        (replaced.revision, &value(&replaced.body)["status"]),
        (2, &json!("paid"))
    );
}

#[test]
fn only_a_cancelled_order_is_removed() {
    let host = shop();
    let id = order(&host, &json!([{ "sku": "go", "quantity": 1 }])).unwrap().id;
    message(host.call(|| Orders::remove("orders", &id)));
    step(&host, &id, "cancelled").unwrap();
    host.call(|| Orders::remove("orders", &id)).unwrap();
    assert_eq!(host.call(|| Orders::read("orders", &id)), Err(Problem::NotFound));
}
