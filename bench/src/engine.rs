//! The bare engine, as the benchmarks use it: what a create of a client comes to when all above storage is taken away.

use bytes::Bytes;
use portcullis::storage::engine::{Commit, Put};
use portcullis::storage::keyspace;
use uuid::Uuid;

/// The commit that a create of a document without indexes comes to.
pub fn creation(collection: &str, body: &str) -> Commit {
    let key = keyspace::document(collection, Uuid::now_v7());
    let put = Put {
        value: Bytes::copy_from_slice(body.as_bytes()),
        expires_ms: None,
    };
    Commit {
        puts: vec![(key.clone(), put)],
        changed: vec![key],
        ..Commit::default()
    }
}
