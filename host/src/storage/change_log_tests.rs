//! Tests of the consumers of the change log.

use super::*;
use crate::storage::memory;
use crate::storage::transaction::Transaction;

fn engine() -> Arc<dyn Engine> {
    Arc::new(memory::open().unwrap())
}

/// Commits a change of the document `number`.
async fn change(engine: &Arc<dyn Engine>, number: u32) -> Sequence {
    let key = Key::from(format!("d{number}"));
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    transaction.put(key.clone(), Bytes::new(), None);
    transaction.record_change(key);
    transaction.commit().await.unwrap()
}

async fn kept(engine: &Arc<dyn Engine>) -> Vec<Sequence> {
    let until = engine.health().applied;
    let scan = Scan::first(keyspace::changes(0, until), MAX_SCAN_ROWS);
    let rows = engine.scan(&scan).await.unwrap().data;
    rows.iter()
        .filter_map(|(key, _)| keyspace::change_sequence(key))
        .collect()
}

#[tokio::test]
async fn a_consumer_starts_at_the_present_and_goes_on_where_it_acknowledged() {
    let engine = engine();
    let before = change(&engine, 1).await;
    assert_eq!(register(&engine, "index", 0).await, Ok(before));
    let first = change(&engine, 2).await;
    let second = change(&engine, 3).await;
    let changes = engine.changes(before, 10).await.unwrap();
    let sequences: Vec<Sequence> = changes.iter().map(|change| change.sequence).collect();
    assert_eq!(sequences, [first, second]);
    assert_eq!(changes[0].keys, [Key::from("d2")]);
    acknowledge(&engine, "index", first, 0).await.unwrap();
    assert_eq!(register(&engine, "index", 0).await, Ok(first));
}

#[tokio::test]
async fn a_position_never_goes_back_nor_beyond_the_present() {
    let engine = engine();
    register(&engine, "index", 0).await.unwrap();
    let first = change(&engine, 1).await;
    acknowledge(&engine, "index", first, 0).await.unwrap();
    acknowledge(&engine, "index", first - 1, 0).await.unwrap();
    assert_eq!(register(&engine, "index", 0).await, Ok(first));
    let present = engine.health().applied;
    acknowledge(&engine, "index", u64::MAX, 0).await.unwrap();
    assert_eq!(register(&engine, "index", 0).await, Ok(present));
}

#[tokio::test]
async fn a_consumer_that_is_not_registered_can_not_acknowledge() {
    let error = acknowledge(&engine(), "index", 1, 0).await.unwrap_err();
    assert_eq!(error, ConsumerError::NotRegistered("index".to_owned()));
}

#[tokio::test]
async fn the_number_of_consumers_is_limited() {
    let engine = engine();
    for number in 0..MAX_CONSUMERS {
        register(&engine, &number.to_string(), 0).await.unwrap();
    }
    assert_eq!(register(&engine, "one more", 0).await, Err(ConsumerError::TooMany));
    assert!(register(&engine, "7", 0).await.is_ok(), "a known one is welcome");
    unregister(&engine, "7", 0).await.unwrap();
    assert!(register(&engine, "one more", 0).await.is_ok());
}

#[tokio::test]
async fn what_the_slowest_consumer_has_not_acknowledged_is_kept() {
    let engine = engine();
    register(&engine, "fast", 0).await.unwrap();
    register(&engine, "slow", 0).await.unwrap();
    let mut sequences = Vec::new();
    for number in 0..5 {
        sequences.push(change(&engine, number).await);
    }
    acknowledge(&engine, "fast", sequences[4], 0).await.unwrap();
    assert_eq!(trim(&engine, 0).await, Ok(0));
    acknowledge(&engine, "slow", sequences[1], 0).await.unwrap();
    assert_eq!(trim(&engine, 0).await, Ok(2));
    assert_eq!(trim(&engine, 0).await, Ok(0));
    assert_eq!(kept(&engine).await, sequences[2..]);
    unregister(&engine, "slow", 0).await.unwrap();
    assert_eq!(trim(&engine, 0).await, Ok(3));
}

#[tokio::test]
async fn a_tail_is_kept_while_nobody_is_registered() {
    let engine = engine();
    let excess = 3;
    for number in 0..TAIL as u32 + excess {
        change(&engine, number).await;
    }
    assert_eq!(trim(&engine, 0).await, Ok(excess as usize));
    assert_eq!(kept(&engine).await[0], Sequence::from(excess) + 1);
}

#[tokio::test]
async fn a_consumer_waits_for_entries_and_not_for_commits() {
    let engine = engine();
    let after = register(&engine, "index", 0).await.unwrap();
    let waiting = engine.changes(after, 10);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
    transaction.put(Key::from("kx"), Bytes::new(), None);
    transaction.commit().await.unwrap();
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    let sequence = change(&engine, 1).await;
    assert_eq!(waiting.await.unwrap()[0].sequence, sequence);
}

#[tokio::test]
async fn a_consumer_that_asks_for_trimmed_entries_waits_for_later_ones() {
    let engine = engine();
    let start = register(&engine, "index", 0).await.unwrap();
    let first = change(&engine, 1).await;
    acknowledge(&engine, "index", first, 0).await.unwrap();
    trim(&engine, 0).await.unwrap();
    let waiting = engine.changes(start, 10);
    tokio::pin!(waiting);
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    let second = change(&engine, 2).await;
    assert_eq!(waiting.await.unwrap()[0].sequence, second);
}
