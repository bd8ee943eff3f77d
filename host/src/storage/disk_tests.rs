//! Tests of the engine on disk.

use std::sync::Arc;

use super::*;
use crate::storage::engine::{Engine, Key, MAX_KEY_BYTES};
use crate::storage::transaction::Transaction;

const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

fn key(number: u32, length: usize) -> Key {
    let mut key = format!("k{number:08}").into_bytes();
    key.resize(length, b'x');
    Key::from(key)
}

#[tokio::test]
async fn large_values_survive_a_restart_and_leave_no_blobs() {
    let directory = tempfile::tempdir().unwrap();
    let value = |number: u32| Bytes::from(vec![number as u8; 1 + number as usize * 4_000]);
    let engine: Arc<dyn Engine> = Arc::new(open(directory.path(), CACHE_BYTES).unwrap());
    for number in 0..40 {
        let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
        transaction.put(key(number, MAX_KEY_BYTES), value(number), Some(u64::MAX));
        transaction.commit().await.unwrap();
    }
    drop(engine);
    let engine: Arc<dyn Engine> = Arc::new(open(directory.path(), CACHE_BYTES).unwrap());
    assert_eq!(engine.health().applied, 40);
    let mut transaction = Transaction::begin(engine, 0);
    for number in 0..40 {
        assert_eq!(
            transaction.get(&key(number, MAX_KEY_BYTES)).await.unwrap(),
            Some(value(number))
        );
    }
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_store_is_open_once() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path(), CACHE_BYTES).unwrap();
    let error = open(directory.path(), CACHE_BYTES).err().unwrap();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    assert!(open(directory.path(), CACHE_BYTES).is_ok());
}

#[tokio::test]
async fn a_store_of_another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), CACHE_BYTES).unwrap());
    let db = open_once_free(&sled::Config::new().path(directory.path())).unwrap();
    db.open_tree(b"portcullis")
        .unwrap()
        .insert(&*keyspace::meta(FORMAT_NAME), &9u32.to_be_bytes())
        .unwrap();
    drop(db);
    let error = open(directory.path(), CACHE_BYTES).err().unwrap();
    assert!(error.to_string().contains("run the version that wrote it"), "{error}");
}

#[tokio::test]
async fn a_store_whose_creation_was_cut_short_is_created_anew() {
    let directory = tempfile::tempdir().unwrap();
    let aside = directory.path().join(ASIDE);
    std::fs::create_dir(&aside).unwrap();
    // Long enough that sled takes it for settings, and refuses it.
    std::fs::write(aside.join("conf"), [0xAB; 20]).unwrap();
    drop(open(directory.path(), CACHE_BYTES).unwrap());
    assert!(!aside.exists());
    assert!(open(directory.path(), CACHE_BYTES).is_ok());
}
