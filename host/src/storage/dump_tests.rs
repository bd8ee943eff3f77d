//! Tests of dumps: what they hold while calls go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use super::*;
use crate::storage::dump_format::{End, Reader};
use crate::storage::memory;
use crate::storage::transaction::{Ended, Transaction};
use crate::storage::verify::verify;
use crate::storage::watched::Watched;

fn engine() -> Arc<dyn Engine> {
    Arc::new(memory::open().unwrap())
}

async fn write(engine: &Arc<dyn Engine>, key: &Key, value: Option<Bytes>, expires_ms: Option<u64>) {
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    match value {
        Some(value) => transaction.put(key.clone(), value, expires_ms),
        None => transaction.delete(key.clone()),
    }
    transaction.commit().await.unwrap();
}

/// What a dump says, as a map.
fn state(bytes: &[u8]) -> (BTreeMap<Key, Versioned>, End) {
    let mut state = BTreeMap::new();
    let end = Reader::open(bytes).unwrap().read(|Record { key, stored }| {
        match stored {
            Some(stored) => state.insert(key, stored),
            None => state.remove(&key),
        };
        Ok(())
    });
    (state, end.unwrap())
}

async fn fetched(engine: &Arc<dyn Engine>, now_ms: u64) -> Vec<u8> {
    let blocks: Vec<Bytes> = dump(Arc::clone(engine), now_ms).try_collect().await.unwrap();
    blocks.concat()
}

#[tokio::test]
async fn a_dump_holds_what_there_is_but_not_what_has_expired_or_is_the_engines() {
    let engine = engine();
    let large = Bytes::from(vec![7; 100_000]);
    write(&engine, &Key::from("dc\0one"), Some(large.clone()), None).await;
    write(&engine, &Key::from("kp\0soon"), Some(Bytes::new()), Some(10)).await;
    write(&engine, &Key::from("kp\0later"), Some(Bytes::new()), Some(11)).await;
    let (state, end) = state(&fetched(&engine, 10).await);
    let keys: Vec<&[u8]> = state.keys().map(Bytes::as_ref).collect();
    assert_eq!(keys, [b"dc\0one".as_slice(), b"kp\0later"]);
    assert_eq!(
        state[b"dc\0one".as_slice()],
        Versioned {
            version: 1,
            expires_ms: None,
            value: large
        }
    );
    assert_eq!(state[b"kp\0later".as_slice()].expires_ms, Some(11));
    assert_eq!(
        end,
        End {
            sequence: 3,
            records: 2
        }
    );
}

#[tokio::test]
async fn what_changes_behind_a_dump_is_sent_again() {
    let engine = engine();
    let key = |number: u32| Key::from(format!("dc\0{number:06}"));
    let value = Bytes::from(vec![1; 1_000]);
    for number in 0..5_000 {
        write(&engine, &key(number), Some(value.clone()), None).await;
    }
    let mut blocks = Box::pin(dump(Arc::clone(&engine), 0));
    let mut bytes = blocks.next().await.unwrap().unwrap().to_vec();
    bytes.extend(blocks.next().await.unwrap().unwrap());
    write(&engine, &key(0), Some(Bytes::from_static(b"new")), None).await;
    write(&engine, &key(1), None, None).await;
    write(&engine, &key(4_999), None, None).await;
    write(&engine, &key(5_000), Some(Bytes::new()), None).await;
    while let Some(block) = blocks.next().await {
        bytes.extend(block.unwrap());
    }
    let (state, end) = state(&bytes);
    assert_eq!(end.sequence, 5_004);
    assert_eq!(state.len(), 4_999);
    assert_eq!(state[&key(0)].value, "new");
    assert!(!state.contains_key(&key(1)) && !state.contains_key(&key(4_999)));
    assert!(state.contains_key(&key(5_000)));
}

#[tokio::test]
async fn a_dump_and_a_check_read_little_at_a_time_however_large_the_rows_are() {
    let store = Watched::new();
    let engine: Arc<dyn Engine> = Arc::clone(&store) as _;
    for number in 0..20 {
        let key = keyspace::document("orders", Uuid::from_u128(number.into()));
        write(&engine, &key, Some(vec![number; 2 << 20].into()), None).await;
    }
    let (state, _) = state(&fetched(&engine, 0).await);
    assert_eq!(state.len(), 20);
    assert_eq!(verify(&engine).await.unwrap().problems, Vec::<String>::new());
    let scanned = store.most_scanned.load(Ordering::Relaxed);
    assert!((1 << 20..8 << 20).contains(&scanned), "{scanned}");
}

/// Moves one from one account to another, until told to stop; once at least, as it may get no turn before.
async fn transfer(engine: Arc<dyn Engine>, accounts: Vec<Key>, stop: Arc<AtomicBool>) -> usize {
    let mut moved = 0;
    while moved == 0 || !stop.load(Ordering::Relaxed) {
        let (from, to) = (
            &accounts[moved % accounts.len()],
            &accounts[(moved * 7 + 3) % accounts.len()],
        );
        let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
        let step = async {
            for (key, by) in [(from, u64::MAX), (to, 1)] {
                let balance = transaction.get(key).await?.map_or(0, |value| number(&value));
                let value = Bytes::copy_from_slice(&balance.wrapping_add(by).to_be_bytes());
                transaction.put(key.clone(), value, None);
            }
            transaction.record_change(from.clone());
            transaction.commit().await
        };
        match step.await {
            Ok(_) => moved += 1,
            Err(Ended::Conflict(_)) => {}
            Err(ended) => panic!("{ended}"),
        }
    }
    moved
}

fn number(value: &Bytes) -> u64 {
    u64::from_be_bytes(value.as_ref().try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_dump_is_of_one_state_while_writers_go_on() {
    let engine = engine();
    let accounts: Vec<Key> = (0..3_000u32)
        .map(|number| Key::from(format!("dc\0{number:06}")))
        .collect();
    for account in &accounts {
        write(
            &engine,
            account,
            Some(Bytes::copy_from_slice(&1_000u64.to_be_bytes())),
            None,
        )
        .await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let mut accounts = accounts.clone();
            accounts.rotate_left(writer * 700);
            tokio::spawn(transfer(Arc::clone(&engine), accounts, Arc::clone(&stop)))
        })
        .collect();
    for _ in 0..5 {
        let (state, end) = state(&fetched(&engine, 0).await);
        let balances = accounts.iter().map(|account| number(&state[account].value));
        let total = balances.fold(0, u64::wrapping_add);
        assert_eq!(total, 3_000 * 1_000);
        let latest = state.values().map(|stored| stored.version).max();
        assert!(latest <= Some(end.sequence));
        let entries = state.keys().filter_map(|key| keyspace::change_sequence(key)).count() as u64;
        assert_eq!(entries, end.sequence - 3_000, "the change log is of the same state");
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
}

mod format {
    use proptest::prelude::*;

    use super::*;

    fn record() -> impl Strategy<Value = Record> {
        let bytes = |length| proptest::collection::vec(any::<u8>(), 0..length).prop_map(Bytes::from);
        let stored = (any::<u64>(), any::<Option<u64>>(), bytes(10_000));
        (bytes(40), proptest::option::of(stored)).prop_map(|(key, stored)| Record {
            key,
            stored: stored.map(|(version, expires_ms, value)| Versioned {
                version,
                expires_ms,
                value,
            }),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(records in proptest::collection::vec(record(), 0..100), sequence: u64) {
            let (mut writer, first) = Writer::begin(0);
            let mut bytes = first.to_vec();
            for record in &records {
                bytes.extend(writer.push(record).into_iter().flatten());
            }
            bytes.extend(writer.finish(sequence));
            let mut read = Vec::new();
            let end = Reader::open(bytes.as_slice()).unwrap().read(|record| {
                read.push(record);
                Ok(())
            });
            prop_assert_eq!(end.unwrap(), End { sequence, records: records.len() as u64 });
            prop_assert_eq!(read, records);
        }

        #[test]
        fn any_bytes_behind_a_beginning_are_no_dump(bytes: Vec<u8>) {
            let (_, first) = Writer::begin(0);
            let bytes = [first.as_ref(), &bytes].concat();
            prop_assert!(Reader::open(bytes.as_slice()).unwrap().read(|_| Ok(())).is_err());
        }
    }
}
