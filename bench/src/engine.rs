//! The bare engine, as the benchmarks use it: what a create of a client comes to when all above storage is taken away.

use bytes::Bytes;
use portcullis::capabilities::documents::stored::encode;
use portcullis::capabilities::model::Document;
use portcullis::storage::engine::{Commit, Put, Reads};
use portcullis::storage::keyspace;
use uuid::Uuid;

/// The commit that a create of a document without indexes comes to, in a store without a catalogue.
pub fn creation(collection: &str, body: &str) -> Commit {
    Commit {
        reads: Reads {
            keys: vec![(keyspace::catalogue(), 0)],
            ranges: Vec::new(),
        },
        quotas: vec![keyspace::quota(collection, [collection], u64::MAX)],
        ..stored(collection, body).1
    }
}

/// A commit of a document that checks nothing, with the id of the document.
pub fn stored(collection: &str, body: &str) -> (Uuid, Commit) {
    let document = Document {
        id: Uuid::now_v7(),
        revision: 1,
        owner: None,
        created_ms: 0,
        updated_ms: 0,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let key = keyspace::document(collection, document.id);
    let put = Put {
        value: encode(&document),
        expires_ms: None,
    };
    let commit = Commit {
        puts: vec![(key.clone(), put)],
        changed: vec![key],
        ..Commit::default()
    };
    (document.id, commit)
}
