//! Tests of the transaction, on the engine in memory.

use super::*;
use crate::storage::engine::{Direction, Range};
use crate::storage::memory;

fn key(name: &'static str) -> Key {
    Key::from([b"k", name.as_bytes()].concat())
}

fn all() -> Range {
    Range {
        start: key("a"),
        end: key("z"),
    }
}

fn engine() -> Arc<dyn Engine> {
    Arc::new(memory::open().unwrap())
}

async fn write(engine: &Arc<dyn Engine>, name: &'static str, value: &'static str) {
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    transaction.put(key(name), Bytes::from_static(value.as_bytes()), None);
    transaction.commit().await.unwrap();
}

fn names(rows: &[(Key, Bytes)]) -> Vec<&str> {
    rows.iter()
        .map(|(key, _)| std::str::from_utf8(&key[1..]).unwrap())
        .collect()
}

#[tokio::test]
async fn a_call_sees_its_own_writes_merged_into_a_scan() {
    let engine = engine();
    for name in ["b", "d", "f"] {
        write(&engine, name, "stored").await;
    }
    let mut transaction = Transaction::begin(engine, 0);
    transaction.delete(key("d"));
    transaction.put(key("c"), Bytes::from_static(b"own"), None);
    let forward = transaction.scan(&all(), None, 2, Direction::Forward).await.unwrap();
    assert_eq!(names(&forward), ["b", "c"]);
    let rest = transaction
        .scan(&all(), Some(&key("c")), 2, Direction::Forward)
        .await
        .unwrap();
    assert_eq!(names(&rest), ["f"]);
    let backward = transaction.scan(&all(), None, 9, Direction::Backward).await.unwrap();
    assert_eq!(names(&backward), ["f", "c", "b"]);
    assert_eq!(transaction.get(&key("d")).await.unwrap(), None);
}

/// The pages of a scan that is bounded in bytes, up to its end.
async fn pages(transaction: &mut Transaction, bounds: (usize, usize), direction: Direction) -> Vec<Vec<String>> {
    let (mut pages, mut behind) = (Vec::new(), None);
    loop {
        let all = all();
        let scanned = transaction.scan_within(&all, behind.as_ref(), bounds, direction);
        let Scanned { rows, behind: next } = scanned.await.unwrap();
        pages.push(names(&rows).into_iter().map(str::to_owned).collect());
        behind = next;
        if behind.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn a_scan_that_is_bounded_in_bytes_goes_on_behind_what_it_has_read_with_the_calls_own_writes_in_it() {
    let engine = engine();
    for name in ["b", "d", "f", "h"] {
        write(&engine, name, "0123456789").await;
    }
    let begin = || Transaction::begin(Arc::clone(&engine), 0);
    let (forward, backward) = (Direction::Forward, Direction::Backward);
    assert_eq!(
        pages(&mut begin(), (9, 11), forward).await,
        [vec!["b", "d"], vec!["f", "h"], vec![]]
    );
    assert_eq!(
        pages(&mut begin(), (9, 11), backward).await,
        [vec!["h", "f"], vec!["d", "b"], vec![]]
    );
    assert_eq!(
        pages(&mut begin(), (9, 1_000), forward).await,
        [vec!["b", "d", "f", "h"]]
    );
    assert_eq!(
        pages(&mut begin(), (3, 1_000), forward).await,
        [vec!["b", "d", "f"], vec!["h"]]
    );
    // A value larger than the bound is a page of its own.
    let single = [vec!["b"], vec!["d"], vec!["f"], vec!["h"], vec![]];
    assert_eq!(pages(&mut begin(), (9, 1), forward).await, single);

    // What the call has removed leaves empty pages, and what it has written is not lost where a page is full.
    let mut transaction = begin();
    transaction.delete(key("b"));
    transaction.delete(key("d"));
    for name in ["c", "e", "g", "i"] {
        transaction.put(key(name), Bytes::from_static(b"own"), None);
    }
    for (bounds, direction) in [
        ((9, 1), forward),
        ((2, 11), forward),
        ((1, 1_000), forward),
        ((2, 11), backward),
    ] {
        let found: Vec<String> = pages(&mut transaction, bounds, direction).await.concat();
        let mut expected = ["c", "e", "f", "g", "h", "i"];
        if direction == backward {
            expected.reverse();
        }
        assert_eq!(found, expected, "{bounds:?}");
    }
    // What it has read is guarded like that of any other scan.
    let mut transaction = begin();
    transaction.scan_within(&all(), None, (9, 1), forward).await.unwrap();
    transaction.put(key("x"), Bytes::from_static(b"own"), None);
    write(&engine, "b", "another").await;
    assert!(matches!(transaction.commit().await, Err(Ended::Conflict(_))));
}

#[tokio::test]
async fn a_scan_of_keys_finds_the_rows_of_a_scan_and_conflicts_alike() {
    let engine = engine();
    for name in ["b", "d"] {
        write(&engine, name, "stored").await;
    }
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.put(key("c"), Bytes::from_static(b"own"), None);
    transaction.delete(key("d"));
    let keys = transaction.scan_keys(&all(), None, 9, Direction::Backward).await;
    assert_eq!(keys, Ok(vec![key("c"), key("b")]));
    // What was not read is not mistaken for an empty value.
    let value = transaction.get(&key("b")).await.unwrap();
    assert_eq!(value, Some(Bytes::from_static(b"stored")));
    write(&engine, "e", "another").await;
    assert!(matches!(transaction.commit().await, Err(Ended::Conflict(_))));
}

#[tokio::test]
async fn a_call_ends_when_what_it_read_changes_before_its_next_read() {
    let engine = engine();
    write(&engine, "b", "old").await;
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.get(&key("b")).await.unwrap();
    write(&engine, "b", "new").await;
    let ended = transaction.get(&key("c")).await.unwrap_err();
    assert_eq!(ended, Ended::Conflict(BTreeSet::from([key("b")])));
    assert_eq!(
        transaction.get(&key("b")).await.unwrap_err(),
        ended,
        "an ended transaction stays ended"
    );
}

#[tokio::test]
async fn a_call_goes_on_when_something_else_changes() {
    let engine = engine();
    write(&engine, "b", "old").await;
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.get(&key("b")).await.unwrap();
    write(&engine, "c", "new").await;
    assert_eq!(transaction.get(&key("c")).await.unwrap().unwrap(), "new");
    assert!(transaction.commit().await.is_ok());
}

#[tokio::test]
async fn a_row_that_appears_in_a_scanned_range_is_a_conflict() {
    let engine = engine();
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    assert!(
        transaction
            .scan(&all(), None, 10, Direction::Forward)
            .await
            .unwrap()
            .is_empty()
    );
    write(&engine, "c", "new").await;
    transaction.put(key("zz"), Bytes::new(), None);
    assert_eq!(
        transaction.commit().await,
        Err(Ended::Conflict(BTreeSet::from([key("c")])))
    );
}

#[tokio::test]
async fn a_row_behind_the_page_that_was_read_is_no_conflict() {
    let engine = engine();
    for name in ["b", "c", "d"] {
        write(&engine, name, "stored").await;
    }
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.scan(&all(), None, 2, Direction::Forward).await.unwrap();
    write(&engine, "d", "new").await;
    transaction.put(key("zz"), Bytes::new(), None);
    assert!(transaction.commit().await.is_ok());
}

#[tokio::test]
async fn a_call_that_reads_without_end_is_ended() {
    let engine = engine();
    let names = ["b0", "b1", "b2", "b3"];
    let value = Bytes::from(vec![0; crate::storage::engine::MAX_VALUE_BYTES]);
    for name in names {
        let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
        transaction.put(key(name), value.clone(), None);
        transaction.commit().await.unwrap();
    }
    let mut transaction = Transaction::begin(engine, 0);
    for name in &names[..3] {
        transaction.get(&key(name)).await.unwrap();
        // What is known already is not counted again.
        transaction.get(&key(name)).await.unwrap();
    }
    assert!(matches!(transaction.get(&key(names[3])).await, Err(Ended::TooLarge(_))));
    assert!(matches!(transaction.get(&key(names[0])).await, Err(Ended::TooLarge(_))));
}

#[tokio::test]
async fn an_expired_value_counts_as_absent() {
    let engine = engine();
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.put(key("b"), Bytes::new(), Some(10));
    transaction.commit().await.unwrap();
    assert!(
        Transaction::begin(Arc::clone(&engine), 9)
            .get(&key("b"))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        Transaction::begin(Arc::clone(&engine), 10)
            .get(&key("b"))
            .await
            .unwrap()
            .is_none()
    );
    let rows = Transaction::begin(engine, 10)
        .scan(&all(), None, 5, Direction::Forward)
        .await
        .unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn writes_beyond_the_limits_of_the_store_are_told_apart() {
    let mut transaction = Transaction::begin(engine(), 0);
    let value = Bytes::from(vec![0; crate::storage::engine::MAX_VALUE_BYTES + 1]);
    transaction.put(key("b"), value, None);
    assert!(matches!(transaction.commit().await, Err(Ended::TooLarge(_))));
}

/// The version in which a key is stored.
async fn version(engine: &Arc<dyn Engine>, name: &'static str) -> Sequence {
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    transaction.get(&key(name)).await.unwrap();
    transaction.version_read(&key(name)).unwrap()
}

#[tokio::test]
async fn what_is_assumed_rightly_is_among_what_the_commit_checks() {
    let engine = engine();
    write(&engine, "a", "stored").await;
    let known = version(&engine, "a").await;
    for (moved, name) in [(false, "b"), (true, "c")] {
        let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
        transaction.assume(key("a"), known).unwrap();
        transaction.assume(key("absent"), 0).unwrap();
        transaction.put(key(name), Bytes::from_static(b"own"), None);
        if moved {
            write(&engine, "a", "moved").await;
        }
        match transaction.commit().await {
            Ok(_) => assert!(!moved),
            Err(ended) => assert_eq!((ended, moved), (Ended::Conflict([key("a")].into()), true)),
        }
    }
}

#[tokio::test]
async fn what_is_assumed_wrongly_ends_the_call_at_its_next_read() {
    let engine = engine();
    write(&engine, "a", "stored").await;
    write(&engine, "b", "stored").await;
    let known = version(&engine, "a").await;
    write(&engine, "a", "moved").await;
    for read in ["get", "scan", "one that was read before"] {
        let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
        if read == "one that was read before" {
            transaction.get(&key("a")).await.unwrap();
        }
        transaction.assume(key("a"), known).unwrap();
        let refused = match read {
            "scan" => transaction.scan(&all(), None, 5, Direction::Forward).await.map(|_| ()),
            _ => transaction.get(&key("b")).await.map(|_| ()),
        };
        let conflict = Ended::Conflict([key("a")].into());
        assert_eq!(refused, Err(conflict.clone()), "{read}");
        assert_eq!(transaction.commit().await, Err(conflict), "{read}");
    }
}

#[tokio::test]
async fn what_is_confirmed_by_a_read_is_followed_from_then_on() {
    let engine = engine();
    write(&engine, "a", "stored").await;
    let known = version(&engine, "a").await;
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.assume(key("a"), known).unwrap();
    transaction.get(&key("b")).await.unwrap();
    write(&engine, "a", "moved").await;
    let refused = transaction.get(&key("c")).await;
    assert_eq!(refused, Err(Ended::Conflict([key("a")].into())));
}

#[tokio::test]
async fn what_is_looked_up_is_not_held_and_its_change_is_a_conflict_all_the_same() {
    let engine = engine();
    let large = Bytes::from(vec![1; 8 << 20]);
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.put(key("large"), large.clone(), None);
    transaction.commit().await.unwrap();
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.put(key("own"), Bytes::from_static(b"own"), None);
    let keys = [key("own"), key("large"), key("none"), key("large")];
    // More than twice as much as a transaction may hold.
    for _ in 0..9 {
        let values = transaction.look_up(&keys).await.unwrap();
        assert_eq!(values[0].as_deref(), Some(b"own".as_slice()));
        assert!(values[1].as_ref() == Some(&large) && values[2].is_none() && values[3] == values[1]);
    }
    assert!(transaction.held_bytes < 1_000, "{}", transaction.held_bytes);
    write(&engine, "large", "new").await;
    let ended = transaction.commit().await;
    assert_eq!(ended, Err(Ended::Conflict([key("large")].into())));
}
