//! The life of collections and their indexes, beside calls that write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Catalogue, CatalogueError, IndexState};
use crate::capabilities::fixture::{Host, NOW_MS, items};
use crate::capabilities::model::{Clause, Operator, Selection};
use crate::storage::engine::{Direction, Range};
use crate::storage::keyspace;
use crate::storage::transaction::Ended;

fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}, "name": {"type": "string"}}})
}

fn states(host: &Host) -> Vec<IndexState> {
    let state = host.catalogue.current();
    let indexes = state.collection("items").unwrap().indexes().iter();
    indexes.map(|index| index.state.clone()).collect()
}

async fn rows(host: &Host, range: &Range) -> usize {
    let mut call = host.call();
    call.transaction
        .scan(range, None, 1_000, Direction::Forward)
        .await
        .unwrap()
        .len()
}

fn index_entries(id: u32) -> Range {
    keyspace::prefix_range(keyspace::index_prefix("items", id, &[]))
}

fn unique_entries(id: u32) -> Range {
    keyspace::prefix_range(keyspace::unique_entry("items", id, &[]))
}

#[tokio::test]
async fn declaring_again_changes_nothing() {
    let host = Host::with(items(schema(), &[&["n"]], &[&["name"]])).await;
    let before = (host.catalogue.current().version(), host.engine.health().applied);
    host.declare(items(schema(), &[&["n"]], &[&["name"]])).await;
    assert_eq!(
        (host.catalogue.current().version(), host.engine.health().applied),
        before
    );
    assert_eq!(states(&host), [IndexState::Ready, IndexState::Ready]);
    let reopened = Catalogue::load(Arc::clone(&host.engine), NOW_MS).await.unwrap();
    assert_eq!(reopened.current().version(), before.0);
    reopened
        .declare("shop", &[items(schema(), &[&["n"]], &[&["name"]])], NOW_MS)
        .await
        .unwrap();
    assert_eq!(reopened.current().version(), before.0);
}

#[tokio::test]
async fn the_collection_of_another_plugin_is_refused() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let refused = host
        .catalogue
        .declare("thief", &[items(schema(), &[&["n"]], &[])], NOW_MS)
        .await;
    let (collection, plugin) = ("items".to_owned(), "shop".to_owned());
    assert_eq!(refused, Err(CatalogueError::Taken { collection, plugin }));
    assert_eq!(states(&host), []);
}

#[tokio::test]
async fn an_index_or_schema_that_can_not_be_had_is_refused() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let version = host.catalogue.current().version();
    let bad = [
        items(schema(), &[&["n", "name", "a", "b", "c"]], &[]),
        items(schema(), &[&[]], &[]),
        items(schema(), &[&["n"][..]; super::MAX_INDEXES + 1], &[]),
        items(json!({"type": "strin"}), &[], &[]),
    ];
    for resource in bad {
        let refused = host
            .catalogue
            .declare("shop", std::slice::from_ref(&resource), NOW_MS)
            .await;
        assert!(
            matches!(
                refused,
                Err(CatalogueError::Index { .. } | CatalogueError::Schema { .. })
            ),
            "{resource:?}"
        );
    }
    assert_eq!(host.catalogue.current().version(), version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_built_while_writers_write() {
    let host = Arc::new(Host::with(items(schema(), &[], &[])).await);
    let mut ids = Vec::new();
    for n in 0..1_000 {
        ids.push(host.insert(json!({"n": n % 7})).await.id.to_string());
    }
    host.declare(items(schema(), &[&["n"]], &[&["name"]])).await;
    assert_eq!(states(&host), [IndexState::Building, IndexState::Building]);
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (host, done) = (Arc::clone(&host), Arc::clone(&done));
        async move {
            let mut written = 0;
            while !done.load(Ordering::Relaxed) || written < 50 {
                written += usize::from(write(&host, &ids, written).await);
            }
        }
    });
    host.build().await;
    done.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    assert_eq!(states(&host), [IndexState::Ready, IndexState::Ready]);
    host.assert_sound().await;
    let filter = Clause {
        field: "n".to_owned(),
        operator: Operator::Ge,
        value: json!(0),
    };
    let by_index = Selection {
        filters: vec![filter],
        with_total: true,
        ..Selection::default()
    };
    let all = Selection {
        with_total: true,
        ..Selection::default()
    };
    let mut call = host.call();
    let counted = call.items().query(&by_index).await.unwrap().total;
    assert_eq!(counted, call.items().query(&all).await.unwrap().total);
}

/// One call that updates, deletes or inserts; whether it was committed.
async fn write(host: &Host, ids: &[String], number: usize) -> bool {
    let mut call = host.call();
    let id = &ids[number * 37 % ids.len()];
    let body = json!({"n": number % 11, "name": format!("w{number}")});
    let written = match number % 3 {
        0 => call.items().replace(id, body).await.map(|_| ()),
        1 => call.items().delete(id).await,
        _ => call.items().insert(body).await.map(|_| ()),
    };
    match written {
        Ok(()) => call.commit().await.is_ok(),
        // Deleted before: nothing to do is done too.
        Err(crate::capabilities::documents::Error::Problem(_)) => true,
        Err(_) => false,
    }
}

#[tokio::test]
async fn a_unique_index_over_duplicates_fails_and_the_collection_works_on() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let first = host.insert(json!({"name": "same"})).await.id;
    host.insert(json!({"name": "other"})).await;
    let second = host.insert(json!({"name": "same"})).await.id;
    host.declare(items(schema(), &[], &[&["name"]])).await;
    host.build().await;
    let [IndexState::Failed { documents, swept: true }] = &states(&host)[..] else {
        panic!("{:?}", states(&host));
    };
    let mut named = documents.clone();
    named.sort();
    let mut expected = [first.to_string(), second.to_string()];
    expected.sort();
    assert_eq!(named, expected);
    // It is neither enforced nor kept.
    host.insert(json!({"name": "other"})).await;
    assert_eq!(rows(&host, &unique_entries(0)).await, 0);
    host.assert_sound().await;
    // Mended and declared again, it is built.
    let mut call = host.call();
    let named = Selection::default();
    let page = call.items().query(&named).await.unwrap();
    for (number, document) in page.items.iter().enumerate() {
        let id = document.id.to_string();
        call.items()
            .patch(&id, json!({"name": format!("name {number}")}))
            .await
            .unwrap();
    }
    call.commit().await.unwrap();
    host.declare(items(schema(), &[], &[&["name"]])).await;
    host.build().await;
    assert_eq!(states(&host), [IndexState::Ready]);
    host.assert_sound().await;
}

#[tokio::test]
async fn a_unique_index_is_kept_by_writers_while_it_is_built() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let old = host.insert(json!({"name": "a"})).await.id.to_string();
    host.declare(items(schema(), &[], &[&["name"]])).await;
    // The builder has not seen `old`; a writer takes its name, then another one.
    let new = host.insert(json!({"name": "a"})).await.id.to_string();
    let mut call = host.call();
    call.items().replace(&old, json!({"name": "b"})).await.unwrap();
    call.commit().await.unwrap();
    host.build().await;
    assert_eq!(states(&host), [IndexState::Ready]);
    host.assert_sound().await;
    let taken = host.call().items().replace(&old, json!({"name": "a"})).await;
    assert!(taken.is_err());
    let mut call = host.call();
    call.items().delete(&new).await.unwrap();
    call.items().replace(&old, json!({"name": "a"})).await.unwrap();
    call.commit().await.unwrap();
    host.assert_sound().await;
}

#[tokio::test]
async fn a_retired_index_leaves_no_entries() {
    let host = Host::with(items(schema(), &[&["n"]], &[&["name"]])).await;
    for n in 0..600 {
        host.insert(json!({"n": n, "name": n.to_string()})).await;
    }
    let ids: Vec<u32> = {
        let state = host.catalogue.current();
        let indexes = state.collection("items").unwrap().indexes().iter();
        indexes.map(|index| index.id).collect()
    };
    host.declare(items(schema(), &[], &[])).await;
    assert_eq!(states(&host), [IndexState::Retiring, IndexState::Retiring]);
    host.insert(json!({"n": 1, "name": "1"})).await;
    host.build().await;
    assert_eq!(states(&host), []);
    for id in ids {
        assert_eq!(rows(&host, &index_entries(id)).await, 0);
        assert_eq!(rows(&host, &unique_entries(id)).await, 0);
    }
}

#[tokio::test]
async fn a_call_under_an_old_catalogue_conflicts_and_its_retry_passes() {
    let host = Host::with(items(schema(), &[], &[])).await;
    // One had written before the change, the others only begun.
    let (mut written, mut begun, mut reading) = (host.call(), host.call(), host.call());
    written.items().insert(json!({"n": 1})).await.unwrap();
    host.declare(items(schema(), &[&["n"]], &[])).await;
    assert!(matches!(written.commit().await, Err(Ended::Conflict(_))));
    // A create in a collection without indexes reads nothing, so that its commit is what finds out.
    begun.items().insert(json!({"n": 1})).await.unwrap();
    assert!(matches!(begun.commit().await, Err(Ended::Conflict(_))));
    let ended = |refused| {
        matches!(
            refused,
            crate::capabilities::documents::Error::Ended(Ended::Conflict(_))
        )
    };
    assert!(ended(reading.items().query(&Selection::default()).await.unwrap_err()));
    assert!(ended(reading.items().insert(json!({"n": 1})).await.unwrap_err()));
    host.insert(json!({"n": 1})).await;
    host.build().await;
    host.assert_sound().await;
}

#[tokio::test]
async fn an_index_that_met_an_array_gives_each_document_once() {
    let loose = json!({"type": "object", "properties": {"n": {}}});
    let host = Host::with(items(loose, &[], &[])).await;
    host.insert(json!({"n": [1, 2, 3]})).await;
    host.insert(json!({"n": 2})).await;
    // The new schema knows no arrays; the document of the old one still holds one.
    host.declare(items(schema(), &[&["n"]], &[])).await;
    host.build().await;
    let filter = Clause {
        field: "n".to_owned(),
        operator: Operator::Eq,
        value: json!(2),
    };
    for filters in [Vec::new(), vec![filter]] {
        let sort = vec![crate::capabilities::model::Order {
            field: "n".to_owned(),
            descending: false,
        }];
        let selection = Selection {
            filters,
            sort,
            with_total: true,
            ..Selection::default()
        };
        let page = host.call().items().query(&selection).await.unwrap();
        assert_eq!((page.items.len(), page.total), (2, Some(2)));
    }
    host.assert_sound().await;
}

#[tokio::test]
async fn a_watcher_that_is_told_of_a_version_sees_it() {
    let host = Arc::new(Host::new().await);
    let mut versions = host.catalogue.versions();
    let declaring = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.declare(items(schema(), &[], &[])).await }
    });
    versions.changed().await.unwrap();
    assert_eq!(host.catalogue.current().version(), *versions.borrow());
    declaring.await.unwrap();
}
