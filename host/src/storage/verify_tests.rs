//! Tests of checking the store.

use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::storage::disk;

const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

fn open(directory: &Path) -> Arc<dyn Engine> {
    Arc::new(disk::open(directory, CACHE_BYTES).unwrap())
}

/// A store with a small value, one that expires, and a chunked one.
async fn filled(directory: &Path) {
    let mut transaction = Transaction::begin(open(directory), 0);
    transaction.put(Key::from("dc\0small"), Bytes::from_static(b"value"), None);
    transaction.put(Key::from("kp\0expires"), Bytes::new(), Some(10));
    transaction.put(Key::from("kp\0large"), Bytes::from(vec![1; 10_000]), None);
    transaction.commit().await.unwrap();
}

/// Changes the store behind the engine's back, and checks it.
async fn after(damage: impl FnOnce(&sled::Tree)) -> Verified {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).await;
    let db = disk::open_once_free(&sled::Config::new().path(directory.path())).unwrap();
    damage(&db.open_tree(b"portcullis").unwrap());
    drop(db);
    verify(&open(directory.path())).await.unwrap()
}

#[tokio::test]
async fn a_sound_store_has_no_problems() {
    let verified = after(|_| {}).await;
    assert_eq!(
        verified,
        Verified {
            records: 3,
            problems: Vec::new()
        }
    );
}

#[tokio::test]
async fn a_value_that_was_changed_is_found_out() {
    let verified = after(|tree| {
        let mut raw = tree.get(b"dc\0small").unwrap().unwrap().to_vec();
        *raw.last_mut().unwrap() ^= 1;
        tree.insert(b"dc\0small", raw).unwrap();
    });
    let problems = verified.await.problems;
    assert_eq!(
        problems,
        ["the value under \"dc\\x00small\" is damaged: its checksum does not match"]
    );
}

#[tokio::test]
async fn a_missing_chunk_is_found_out() {
    let verified = after(|tree| {
        let (chunk, _) = tree.scan_prefix(b"x").last().unwrap().unwrap();
        tree.remove(chunk).unwrap();
    });
    let problems = verified.await.problems;
    assert_eq!(
        problems,
        ["the value under \"kp\\x00large\" is damaged: a chunk of it is missing"]
    );
}

#[tokio::test]
async fn a_missing_and_a_needless_entry_of_the_expiry_index_are_found_out() {
    let problems = after(|tree| {
        tree.remove(keyspace::expiry(10, b"kp\0expires")).unwrap();
    });
    let problems = problems.await.problems;
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].ends_with("the expiry index does not know it"),
        "{problems:?}"
    );
    let problems = after(|tree| {
        tree.remove(b"kp\0expires").unwrap();
    });
    let problems = problems.await.problems;
    assert!(problems[0].ends_with("nothing expires then"), "{problems:?}");
}

#[tokio::test]
async fn a_wrong_and_a_missing_usage_counter_are_found_out() {
    let problems = after(|tree| {
        tree.remove(b"dc\0small").unwrap();
        tree.remove(keyspace::usage(b"kp\0")).unwrap();
    });
    let problems = problems.await.problems;
    assert_eq!(
        problems,
        [
            "the usage counter of \"dc\\x00\" says 13 bytes, and there are 0",
            "the usage counter of \"kp\\x00\" says 0 bytes, and there are 10018",
        ]
    );
}

#[tokio::test]
async fn the_number_of_told_problems_is_limited() {
    let verified = after(|tree| {
        for number in 0..2_500u32 {
            tree.insert(format!("dc\0{number:05}"), b"no envelope").unwrap();
        }
    });
    let verified = verified.await;
    assert_eq!(verified.records, 2_503);
    assert_eq!(verified.problems.len(), MAX_TOLD + 1);
    assert_eq!(verified.problems[MAX_TOLD], "and 2400 more");
}
