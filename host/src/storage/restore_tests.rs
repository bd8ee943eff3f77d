//! Tests of restoring dumps.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::*;
use crate::storage::change_log;
use crate::storage::dump::dump;
use crate::storage::engine::{Direction, Engine, Key};
use crate::storage::transaction::Transaction;
use crate::storage::verify::verify;

const NOW_MS: u64 = 1_800_000_000_000;
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

fn open(directory: &Path) -> Arc<dyn Engine> {
    Arc::new(disk::open(directory, CACHE_BYTES).unwrap())
}

fn key(name: &str) -> Key {
    Key::from(format!("kplugin\0{name}"))
}

async fn put(engine: &Arc<dyn Engine>, name: &str, value: Bytes, expires_ms: Option<u64>) {
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    transaction.put(key(name), value, expires_ms);
    transaction.record_change(key(name));
    transaction.commit().await.unwrap();
}

async fn dump_to(engine: &Arc<dyn Engine>, file: &Path) {
    let blocks: Vec<Bytes> = dump(Arc::clone(engine), 0).try_collect().await.unwrap();
    fs::write(file, blocks.concat()).unwrap();
}

#[tokio::test]
async fn a_restored_store_is_as_the_dumped_one_was() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("db"), directory.path().join("dump"));
    let engine = open(&store);
    let start = change_log::register(&engine, "index", 0).await.unwrap();
    let large = Bytes::from((0..200_000u32).map(|byte| byte as u8).collect::<Vec<_>>());
    put(&engine, "large", large.clone(), None).await;
    put(&engine, "soon", Bytes::from_static(b"value"), Some(1_000)).await;
    let dumped = engine.get(&[key("large"), key("soon")]).await.unwrap();
    dump_to(&engine, &file).await;
    put(&engine, "later", Bytes::new(), None).await;
    drop(engine);

    let restored = restore(&file, &store, CACHE_BYTES, NOW_MS).await.unwrap();
    assert_eq!(
        restored.records, 5,
        "two values, two entries of the change log, a consumer"
    );
    let engine = open(&store);
    assert_eq!(
        engine.health().applied,
        dumped.applied + 1,
        "the entry of the audit log"
    );
    let found = engine
        .get(&[key("large"), key("soon"), key("later")])
        .await
        .unwrap()
        .data;
    assert_eq!(found[..2], dumped.data);
    assert_eq!(found[2], None);
    assert_eq!(engine.changes(start, 10).await.unwrap().len(), 2);
    assert_eq!(change_log::register(&engine, "index", 0).await, Ok(start));
    let verified = verify(&engine).await.unwrap();
    assert_eq!(
        (verified.records, verified.problems),
        (7, Vec::new()),
        "with the audit log"
    );
    let expired = crate::storage::expiry::expire(&engine, 1_000).await;
    assert_eq!(expired.map(|expired| expired.removed), Ok(1));
    put(&engine, "large", Bytes::new(), None).await;
    assert_eq!(verify(&engine).await.unwrap().problems, Vec::<String>::new());

    let kept = open(&restored.kept.unwrap());
    assert!(kept.get(&[key("later")]).await.unwrap().data[0].is_some());
}

#[tokio::test]
async fn a_dump_is_restored_where_no_store_is() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dump");
    let engine = open(&directory.path().join("db"));
    put(&engine, "a", Bytes::new(), None).await;
    dump_to(&engine, &file).await;
    let store = directory.path().join("elsewhere/db");
    let restored = restore(&file, &store, CACHE_BYTES, NOW_MS).await.unwrap();
    assert_eq!(restored, Restored { records: 2, kept: None });
    assert!(open(&store).get(&[key("a")]).await.unwrap().data[0].is_some());
}

#[tokio::test]
async fn the_audit_log_of_a_restored_store_tells_of_the_dump_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("db"), directory.path().join("dump"));
    let engine = open(&store);
    let act = |act: &str| Act {
        at_ms: 0,
        actor: Actor::Operator,
        act: act.to_owned(),
        subject: None,
        detail: json!(null),
        personal: Vec::new(),
    };
    audit::record(&engine, &act("store.backup")).await.unwrap();
    dump_to(&engine, &file).await;
    audit::record(&engine, &act("later")).await.unwrap();
    drop(engine);
    restore(&file, &store, CACHE_BYTES, NOW_MS).await.unwrap();

    let engine = open(&store);
    audit::record(&engine, &act("behind")).await.unwrap();
    let entries = audit::page(&engine, None, Direction::Forward, 10, 0).await.unwrap();
    let acts: Vec<_> = entries.iter().map(|entry| entry.act.act.as_str()).collect();
    assert_eq!(acts, ["store.backup", "store.restore", "behind"]);
    let told = &entries[1].act;
    let digest = HEXLOWER.encode(&Sha256::digest(fs::read(&file).unwrap()));
    assert_eq!(told.detail, json!({ "sha256": digest, "records": 2 }));
    assert_eq!((told.at_ms, told.actor), (NOW_MS, Actor::Console));
    assert_eq!(
        audit::verify(&engine, None, 0).await.unwrap().problems,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_damaged_dump_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("db"), directory.path().join("dump"));
    let engine = open(&store);
    put(&engine, "a", Bytes::from_static(b"value"), Some(7)).await;
    dump_to(&engine, &file).await;
    drop(engine);
    let whole = fs::read(&file).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
    damaged.extend((0..whole.len()).map(|position| {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        bytes
    }));
    damaged.push([whole.as_slice(), b"more"].concat());
    for bytes in damaged {
        fs::write(&file, bytes).unwrap();
        restore(&file, &store, CACHE_BYTES, NOW_MS).await.unwrap_err();
    }
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "the store and the dump"
    );
    assert!(open(&store).get(&[key("a")]).await.unwrap().data[0].is_some());
}

#[tokio::test]
async fn a_store_that_is_open_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("db"), directory.path().join("dump"));
    let engine = open(&store);
    dump_to(&engine, &file).await;
    let error = restore(&file, &store, CACHE_BYTES, NOW_MS).await.unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
}
