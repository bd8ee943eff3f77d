//! What may be written, by whom, and what of it the indexes hold.

use serde_json::{Value, json};

use super::{Error, MAX_BODY_BYTES, MAX_GET_MANY, index::MAX_ELEMENTS};
use crate::capabilities::fixture::{Host, NOW_MS, account, items};
use crate::capabilities::model::{Clause, Document, Operator, Problem, Selection};
use crate::policy::Scope;
use crate::storage::engine::Direction;
use crate::storage::transaction::Ended;

fn schema() -> Value {
    json!({"type": "object", "required": ["sku"], "properties": {
        "sku": {"type": ["string", "null"]},
        "size": {"type": "object", "properties": {"a/b~c": {"type": "integer"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
    }})
}

async fn store() -> Host {
    Host::with(items(schema(), &[&["tags"], &["sku"]], &[&["sku"], &["tags"]])).await
}

fn pointers<T>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Problem(Problem::Invalid(violations))) => violations.into_iter().map(|one| one.pointer).collect(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("accepted"),
    }
}

fn is_conflict<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Problem(Problem::Conflict(_))))
}

fn is_forbidden<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Problem(Problem::Forbidden(_))))
}

async fn entries(host: &Host) -> usize {
    let state = host.catalogue.current();
    let mut call = host.call();
    let mut count = 0;
    for index in state.collection("items").unwrap().indexes() {
        let range = index.entries_from("items", &[]);
        count += call
            .transaction
            .scan(&range, None, 1_000, Direction::Forward)
            .await
            .unwrap()
            .len();
    }
    count
}

#[tokio::test]
async fn what_breaks_the_schema_is_refused_with_pointers() {
    let host = store().await;
    let mut call = host.call();
    let mut items = call.items();
    assert_eq!(
        pointers(items.insert(json!({"sku": "a", "size": {"a/b~c": "x"}})).await),
        ["/size/a~1b~0c"]
    );
    assert_eq!(
        pointers(items.insert(json!({"sku": "a", "tags": ["x", 1, 2]})).await),
        ["/tags/1", "/tags/2"]
    );
    assert_eq!(pointers(items.insert(json!({})).await), [""]);
    assert_eq!(pointers(items.insert(json!(["sku"])).await), [""]);
    assert_eq!(
        pointers(items.insert(json!({"sku": "a", "id": 1, "owner": 2})).await),
        ["/id", "/owner"]
    );
    let document = items.insert(json!({"sku": "a"})).await.unwrap();
    let id = document.id.to_string();
    assert_eq!(pointers(items.replace(&id, json!({"sku": 1})).await), ["/sku"]);
    assert_eq!(pointers(items.patch(&id, json!({"tags": [3]})).await), ["/tags/0"]);
    assert_eq!(
        pointers(items.patch(&id, json!({"sku": null, "created_at": 1})).await),
        ["/created_at", ""]
    );
    assert_eq!(items.get(&id).await.unwrap(), Some(document));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let host = store().await;
    let mut call = host.call();
    let mut items = call.items();
    let large = json!({"sku": null, "text": "x".repeat(MAX_BODY_BYTES)});
    assert_eq!(pointers(items.insert(large).await), [""]);
    assert_eq!(
        pointers(items.insert(json!({"sku": "x".repeat(1_025)})).await),
        ["/sku"]
    );
    let tags: Vec<String> = (0..=MAX_ELEMENTS).map(|number| number.to_string()).collect();
    assert_eq!(
        pointers(items.insert(json!({"sku": null, "tags": tags})).await),
        ["/tags"]
    );
    let ids = vec![String::new(); MAX_GET_MANY + 1];
    assert!(matches!(
        items.get_many(&ids).await,
        Err(Error::BadSelection {
            code: "too_many_ids",
            ..
        })
    ));
}

#[tokio::test]
async fn a_document_is_read_back_as_it_was_written() {
    let host = store().await;
    let mut call = host.call();
    call.caller = account(1);
    let written = call.items().insert(json!({"sku": "a", "z": 1, "a": 2})).await.unwrap();
    call.commit().await.unwrap();
    assert_eq!((written.revision, written.owner), (1, account(1).account()));
    assert_eq!(&written.body[..], br#"{"sku":"a","z":1,"a":2}"#);
    let mut call = host.call_at(NOW_MS + 7);
    let id = written.id.to_string();
    let patched = call
        .items()
        .patch(&id, json!({"z": null, "b": {"c": null}}))
        .await
        .unwrap();
    call.commit().await.unwrap();
    let body = bytes::Bytes::from_static(br#"{"sku":"a","a":2,"b":{}}"#);
    let expected = Document {
        revision: 2,
        updated_ms: NOW_MS + 7,
        body,
        ..written
    };
    assert_eq!(patched, expected);
    let mut call = host.call();
    let ids = [
        id.to_uppercase(),
        id.clone(),
        "no id".to_owned(),
        uuid::Uuid::nil().to_string(),
        id.clone(),
    ];
    let read = call.items().get_many(&ids).await.unwrap();
    assert_eq!(read, [None, Some(patched.clone()), None, None, Some(patched)]);
    call.items().delete(&id).await.unwrap();
    assert_eq!(call.items().get(&id).await.unwrap(), None);
    assert_eq!(call.items().delete(&id).await, Err(Problem::NotFound.into()));
    call.commit().await.unwrap();
    assert_eq!(entries(&host).await, 0);
}

#[tokio::test]
async fn no_two_documents_are_equal_in_a_unique_index() {
    let host = store().await;
    let first = host.insert(json!({"sku": "a", "tags": ["x", "y"]})).await;
    let mut call = host.call();
    let mut items = call.items();
    assert!(is_conflict(&items.insert(json!({"sku": "a"})).await));
    assert!(is_conflict(
        &items.insert(json!({"sku": "b", "tags": ["z", "y"]})).await
    ));
    // Absent and null are in no unique index, and a document does not conflict with itself.
    let second = items.insert(json!({"sku": null})).await.unwrap();
    items.insert(json!({"sku": null})).await.unwrap();
    items
        .replace(&first.id.to_string(), json!({"sku": "a", "tags": ["y"]}))
        .await
        .unwrap();
    assert!(is_conflict(
        &items.patch(&second.id.to_string(), json!({"sku": "a"})).await
    ));
    // Within one call as well; and what was freed may be taken.
    items.insert(json!({"sku": "c"})).await.unwrap();
    assert!(is_conflict(&items.insert(json!({"sku": "c"})).await));
    items.insert(json!({"sku": "d", "tags": ["x"]})).await.unwrap();
    items.delete(&first.id.to_string()).await.unwrap();
    items.insert(json!({"sku": "a", "tags": ["y"]})).await.unwrap();
    call.commit().await.unwrap();
    host.assert_sound().await;
}

#[tokio::test]
async fn a_refused_write_leaves_nothing_in_a_call_that_goes_on() {
    let host = store().await;
    host.insert(json!({"sku": "a", "tags": ["x"]})).await;
    let before = entries(&host).await;
    let mut call = host.call();
    // The index on `tags` comes before the unique one that refuses.
    assert!(is_conflict(
        &call.items().insert(json!({"sku": "a", "tags": ["fresh"]})).await
    ));
    call.items().insert(json!({"sku": null})).await.unwrap();
    call.commit().await.unwrap();
    host.assert_sound().await;
    // In a plain index an absent field counts as null.
    assert_eq!(entries(&host).await, before + 2);
}

#[tokio::test]
async fn of_two_racing_calls_one_gets_the_unique_value() {
    let host = store().await;
    let (mut left, mut right) = (host.call(), host.call());
    left.items().insert(json!({"sku": "a"})).await.unwrap();
    right.items().insert(json!({"sku": "a"})).await.unwrap();
    left.commit().await.unwrap();
    assert!(matches!(right.commit().await, Err(Ended::Conflict(_))));
    assert!(is_conflict(&host.call().items().insert(json!({"sku": "a"})).await));
    host.assert_sound().await;
}

#[tokio::test]
async fn entries_follow_their_document() {
    let host = store().await;
    let id = host
        .insert(json!({"sku": "a", "tags": ["x", "y", "x"]}))
        .await
        .id
        .to_string();
    // Twice two tags, once plain and once unique, and the sku likewise.
    assert_eq!(entries(&host).await, 6);
    let mut call = host.call();
    call.items()
        .replace(&id, json!({"sku": null, "tags": ["y"]}))
        .await
        .unwrap();
    call.commit().await.unwrap();
    assert_eq!(entries(&host).await, 3);
    let filter = Clause {
        field: "tags".to_owned(),
        operator: Operator::Eq,
        value: json!("x"),
    };
    let selection = Selection {
        filters: vec![filter],
        ..Selection::default()
    };
    assert_eq!(host.call().items().query(&selection).await.unwrap().items, []);
    host.assert_sound().await;
}

#[tokio::test]
async fn what_a_call_wrote_its_queries_find() {
    let host = store().await;
    host.insert(json!({"sku": "a"})).await;
    let mut call = host.call();
    let mut items = call.items();
    let kept = items.insert(json!({"sku": "b"})).await.unwrap();
    let selection = Selection {
        with_total: true,
        ..Selection::default()
    };
    assert_eq!(items.query(&selection).await.unwrap().total, Some(2));
    items.delete(&kept.id.to_string()).await.unwrap();
    assert_eq!(items.query(&selection).await.unwrap().total, Some(1));
}

#[tokio::test]
async fn a_scope_hides_what_is_not_readable_and_forbids_what_is_not_writable() {
    let host = store().await;
    let mut ids = Vec::new();
    for owner in [1, 2] {
        let mut call = host.call();
        call.caller = account(owner);
        ids.push(call.items().insert(json!({"sku": null})).await.unwrap().id.to_string());
        call.commit().await.unwrap();
    }
    let [mine, other] = [ids[0].as_str(), ids[1].as_str()];
    let own = Scope::Owned(account(1).account().unwrap());
    let counted = Selection {
        with_total: true,
        ..Selection::default()
    };
    let body = || json!({"sku": "new"});

    let mut hidden = host.call();
    (hidden.readable, hidden.writable) = (Some(own.clone()), own.clone());
    let mut items = hidden.items();
    assert_eq!(items.get(other).await.unwrap(), None);
    assert_eq!(items.get_many(&ids).await.unwrap().iter().flatten().count(), 1);
    let page = items.query(&counted).await.unwrap();
    assert_eq!((page.items.len(), page.total), (1, Some(1)));
    assert_eq!(items.replace(other, body()).await, Err(Problem::NotFound.into()));
    assert_eq!(items.patch(other, body()).await, Err(Problem::NotFound.into()));
    assert_eq!(items.delete(other).await, Err(Problem::NotFound.into()));
    items.patch(mine, body()).await.unwrap();

    let mut readable = host.call();
    readable.writable = own;
    let mut items = readable.items();
    assert!(items.get(other).await.unwrap().is_some());
    assert!(is_forbidden(&items.replace(other, body()).await));
    assert!(is_forbidden(&items.patch(other, body()).await));
    assert!(is_forbidden(&items.delete(other).await));

    let mut blind = host.call();
    blind.readable = None;
    let page = blind.items().query(&counted).await.unwrap();
    assert_eq!((page.items.len(), page.total), (0, Some(0)));
    assert_eq!(blind.items().get(mine).await.unwrap(), None);
}

#[tokio::test]
async fn a_plugin_over_its_limit_stores_nothing_more_but_may_delete() {
    let host = store().await;
    let kept = host.insert(json!({"sku": null, "text": "x".repeat(1_000)})).await;
    let limited = || {
        let mut call = host.call();
        call.quota.limit_bytes = 1_500;
        call
    };
    let mut call = limited();
    call.items()
        .insert(json!({"sku": null, "text": "x".repeat(1_000)}))
        .await
        .unwrap();
    assert!(matches!(call.commit().await, Err(Ended::Full(_))));
    let mut call = limited();
    call.items().delete(&kept.id.to_string()).await.unwrap();
    call.commit().await.unwrap();
    let mut call = limited();
    call.items()
        .insert(json!({"sku": null, "text": "x".repeat(1_000)}))
        .await
        .unwrap();
    call.commit().await.unwrap();
}

#[tokio::test]
async fn a_selection_that_makes_no_sense_is_refused() {
    let host = store().await;
    let filter = |field: &str, operator, value| {
        let clause = Clause {
            field: field.to_owned(),
            operator,
            value,
        };
        Selection {
            filters: vec![clause],
            ..Selection::default()
        }
    };
    let many = vec![
        Clause {
            field: "sku".to_owned(),
            operator: Operator::Ne,
            value: json!("")
        };
        17
    ];
    let cases = [
        (filter("colour", Operator::Eq, json!(1)), "unknown_field"),
        (filter("size", Operator::Eq, json!(1)), "bad_filter"),
        (filter("sku", Operator::Eq, json!(1)), "bad_filter"),
        (filter("sku", Operator::Eq, json!(["a"])), "bad_filter"),
        (filter("sku", Operator::OneOf, json!([])), "bad_filter"),
        (filter("sku", Operator::Lt, json!(null)), "bad_filter"),
        (filter("tags", Operator::Lt, json!("a")), "bad_filter"),
        (filter("tags", Operator::Eq, json!(1)), "bad_filter"),
        (filter("created_at", Operator::Ge, json!("yesterday")), "bad_filter"),
        (
            Selection {
                filters: many,
                ..Selection::default()
            },
            "too_many_filters",
        ),
        (
            Selection {
                limit: 1_001,
                ..Selection::default()
            },
            "bad_limit",
        ),
    ];
    for (selection, expected) in cases {
        match host.call().items().query(&selection).await {
            Err(Error::BadSelection { code, .. }) => assert_eq!(code, expected, "{selection:?}"),
            other => panic!("{selection:?}: {other:?}"),
        }
    }
}
