//! Beyond 10,000 rows a query names the index that it needs, and passes once that is declared.

use serde_json::{Value, json};

use super::{Error, MAX_EXAMINED};
use crate::capabilities::fixture::{Call, Host, account, items};
use crate::capabilities::model::{Clause, Operator, Order, Selection};
use crate::policy::{Caller, Scope};

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "number": {"type": "integer"}, "shelf": {"type": "string"}, "name": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}}, "open": {},
    }})
}

/// One document more than may be examined.
async fn store() -> Host {
    let host = Host::with(items(schema(), &[], &[])).await;
    let mut call = host.call();
    for number in 0..=MAX_EXAMINED {
        let shelf = if number % 2_000 == 0 { "rare" } else { "common" };
        let body = json!({"number": number, "shelf": shelf, "name": format!("n{}", number % 97),
            "tags": [shelf, format!("t{}", number % 5)], "open": number});
        call.items().insert(body).await.unwrap();
    }
    call.commit().await.unwrap();
    host
}

fn clause(field: &str, operator: Operator, value: impl Into<Value>) -> Clause {
    Clause {
        field: field.to_owned(),
        operator,
        value: value.into(),
    }
}

fn sorted(fields: &[&str]) -> Vec<Order> {
    let order = |field: &&str| Order {
        field: field.trim_start_matches('-').to_owned(),
        descending: field.starts_with('-'),
    };
    fields.iter().map(order).collect()
}

fn selection(filters: &[Clause], sort: &[&str]) -> Selection {
    Selection {
        filters: filters.to_vec(),
        sort: sorted(sort),
        ..Selection::default()
    }
}

fn call(host: &Host, scope: Scope) -> Call {
    let mut call = host.call();
    call.readable = Some(scope);
    call
}

#[tokio::test]
async fn the_index_that_is_named_makes_the_query_pass() {
    use Operator::{Eq, Ge, Lt, OneOf, Prefix};
    let host = store().await;
    let owned = Scope::Owned(account(1).account().unwrap());
    let rare = || clause("shelf", Eq, "rare");
    let cases: [(Selection, Scope, &[&str], usize); 12] = [
        (selection(&[rare()], &[]), Scope::All, &["shelf"], 6),
        (selection(&[rare()], &["-number"]), Scope::All, &["shelf", "-number"], 6),
        (
            selection(&[rare()], &["shelf", "number"]),
            Scope::All,
            &["shelf", "number"],
            6,
        ),
        (
            selection(&[rare()], &["number", "shelf", "-name"]),
            Scope::All,
            &["shelf", "number", "-name"],
            6,
        ),
        (selection(&[], &["name"]), Scope::All, &["name"], 20),
        (
            selection(&[], &["-name", "number", "name"]),
            Scope::All,
            &["-name", "number"],
            20,
        ),
        (
            selection(&[clause("number", Ge, MAX_EXAMINED - 4)], &[]),
            Scope::All,
            &["number"],
            5,
        ),
        (
            selection(&[rare(), clause("number", Lt, 4_001)], &["number"]),
            Scope::All,
            &["shelf", "number"],
            3,
        ),
        (
            selection(&[clause("name", OneOf, json!(["n1", "zz"]))], &[]),
            Scope::All,
            &["name"],
            20,
        ),
        (
            selection(&[clause("name", Prefix, "n96")], &["name"]),
            Scope::All,
            &["name"],
            20,
        ),
        (
            selection(&[clause("tags", Eq, "rare")], &["-number"]),
            Scope::All,
            &["tags", "-number"],
            6,
        ),
        (selection(&[], &["name"]), owned, &["owner", "name"], 0),
    ];
    for (mut selection, scope, index, found) in cases {
        // Counting makes the query need its index where the first page alone would be near.
        selection.with_total = true;
        host.declare(items(schema(), &[], &[])).await;
        host.build().await;
        let names: Vec<String> = index.iter().map(|&name| name.to_owned()).collect();
        let needs = |being_built| {
            Err(Error::IndexRequired {
                index: names.clone(),
                being_built,
            })
        };
        let mut refused = call(&host, scope.clone());
        assert_eq!(refused.items().query(&selection).await, needs(false), "{selection:?}");
        host.declare(items(schema(), &[index], &[])).await;
        let mut too_early = call(&host, scope.clone());
        assert_eq!(too_early.items().query(&selection).await, needs(true), "{selection:?}");
        host.build().await;
        let mut passes = call(&host, scope.clone());
        let page = passes.items().query(&selection).await;
        assert_eq!(page.map(|page| page.items.len()), Ok(found), "{selection:?}");
    }
    host.assert_sound().await;
}

#[tokio::test]
async fn a_unique_index_serves_sets_ranges_and_orders() {
    use Operator::{Eq, Ge, Ne, OneOf};
    let required = json!({"type": "object", "required": ["number"], "properties": {
        "number": {"type": "integer"}, "name": {"type": "string"}}});
    let host = Host::with(items(required, &[], &[&["number"], &["-name"]])).await;
    let mut call = host.call();
    for number in 0..=MAX_EXAMINED {
        call.items()
            .insert(json!({"number": number, "name": format!("n{number:05}")}))
            .await
            .unwrap();
    }
    call.items().insert(json!({"number": -1})).await.unwrap();
    call.commit().await.unwrap();
    let named = || clause("name", Ne, Value::Null);
    let cases: [(Selection, u64, i64); 7] = [
        (selection(&[clause("number", Eq, 7)], &[]), 1, 7),
        (
            selection(&[clause("number", OneOf, json!([9, 7, -5]))], &["-number"]),
            2,
            9,
        ),
        (selection(&[clause("number", Ge, 9_990)], &["number"]), 11, 9_990),
        (selection(&[], &["number"]), 10_002, -1),
        (selection(&[], &["-number"]), 10_002, 10_000),
        (selection(&[named()], &["name"]), 10_001, 0),
        (
            selection(&[clause("name", Operator::Prefix, "n0999")], &["-name"]),
            10,
            9_999,
        ),
    ];
    for (mut selection, total, first) in cases {
        selection.with_total = true;
        let page = host.call().items().query(&selection).await.unwrap();
        let body: Value = serde_json::from_slice(&page.items[0].body).unwrap();
        assert_eq!(
            (page.total, &body["number"]),
            (Some(total), &json!(first)),
            "{selection:?}"
        );
    }
    // One without the field is not in the unique index, which so has not all that is asked for.
    let refused = host.call().items().query(&selection(&[], &["name"])).await;
    let index = vec!["name".to_owned()];
    let being_built = false;
    assert_eq!(refused, Err(Error::IndexRequired { index, being_built }));
}

#[tokio::test]
async fn where_no_index_helps_the_query_is_to_be_narrowed() {
    let host = store().await;
    let counted = |selection| Selection {
        with_total: true,
        ..selection
    };
    let hopeless = [
        counted(selection(&[clause("shelf", Operator::Ne, "common")], &[])),
        // A field that may hold an array has no order in an index.
        selection(&[], &["open"]),
        counted(selection(&[clause("open", Operator::Ge, 9_000)], &[])),
    ];
    for selection in hopeless {
        let mut call = host.call();
        let refused = call.items().query(&selection).await;
        assert!(
            matches!(refused, Err(Error::TooManyRows(_))),
            "{selection:?}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_query_whose_order_is_at_hand_needs_no_index() {
    let host = store().await;
    let easy = [
        selection(&[], &[]),
        selection(&[], &["-id"]),
        selection(&[], &["-created_at"]),
        Selection {
            with_total: true,
            ..selection(&[], &[])
        },
        selection(&[clause("shelf", Operator::Ne, "rare")], &[]),
        selection(&[clause("shelf", Operator::Eq, "common")], &["shelf"]),
    ];
    for selection in easy {
        let mut call = host.call();
        call.caller = Caller::Operator;
        let page = call.items().query(&selection).await.unwrap();
        assert_eq!(page.items.len(), 20, "{selection:?}");
        assert_eq!(page.total, selection.with_total.then_some(MAX_EXAMINED as u64 + 1));
    }
}
