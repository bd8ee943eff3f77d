//! Bodies that were checked before: they are stored as they are, but never under another schema.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Body, Error, MAX_BODY_BYTES, Vetted};
use crate::capabilities::fixture::{Host, items};
use crate::capabilities::model::Problem;

fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}})
}

/// The body as the collection of the host has checked it.
async fn vetted(host: &Host, body: Value) -> Result<Arc<Vetted>, Problem> {
    let state = host.catalogue.current();
    Vetted::new(state.collection("items").unwrap(), &Arc::new(body)).map(Arc::new)
}

#[tokio::test]
async fn a_body_that_breaks_the_schema_is_not_vetted() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let refused = vetted(&host, json!({"n": "one"})).await.unwrap_err();
    assert!(matches!(refused, Problem::Invalid(violations) if violations[0].pointer == "/n"));
}

#[tokio::test]
async fn a_text_stands_for_the_vetted_body_only_where_it_is_the_same_to_the_byte() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let vetted = vetted(&host, json!({"n": 1})).await.unwrap();
    let of = |text| Body::of(text, Some(&vetted));
    assert!(matches!(of(r#"{"n":1}"#).unwrap(), Body::Vetted(_)));
    assert!(matches!(of(r#"{"n": 1}"#).unwrap(), Body::New(value) if value == json!({"n": 1})));
    assert!(matches!(of(r#"{"n":2}"#).unwrap(), Body::New(value) if value == json!({"n": 2})));
    assert!(of(r#"{"n":1"#).is_err());
    assert!(matches!(Body::of(r#"{"n":1}"#, None).unwrap(), Body::New(_)));
}

#[tokio::test]
async fn a_vetted_body_is_stored_with_its_index_entries() {
    let host = Host::with(items(schema(), &[&["n"]], &[])).await;
    let vetted = vetted(&host, json!({"n": 1})).await.unwrap();
    let mut call = host.call();
    let written = call.items().insert(Body::Vetted(vetted)).await.unwrap();
    assert_eq!(&written.body[..], br#"{"n":1}"#);
    call.commit().await.unwrap();
    host.assert_sound().await;
}

#[tokio::test]
async fn a_vetted_body_counts_its_bytes_like_any_other() {
    let host = Host::with(items(schema(), &[], &[])).await;
    let large = vetted(&host, json!({"text": "x".repeat(MAX_BODY_BYTES)}))
        .await
        .unwrap();
    let refused = host.call().items().insert(Body::Vetted(large)).await;
    assert!(matches!(refused, Err(Error::Problem(Problem::Invalid(_)))));
}

#[tokio::test]
async fn a_body_that_one_collection_has_vetted_is_checked_anew_by_another() {
    let mut loose = items(json!({"type": "object"}), &[], &[]);
    loose.name = "loose".to_owned();
    let host = Host::with(items(schema(), &[], &[])).await;
    host.declare(loose).await;
    let state = host.catalogue.current();
    let body = Arc::new(json!({"n": "one"}));
    let vetted = Vetted::new(state.collection("loose").unwrap(), &body).unwrap();
    let refused = host.call().items().insert(Body::Vetted(Arc::new(vetted))).await;
    assert!(matches!(refused, Err(Error::Problem(Problem::Invalid(violations))) if violations[0].pointer == "/n"));
}
