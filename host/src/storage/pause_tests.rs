//! Tests of pauses: nothing is applied in one, it ends, and commits have their turn between two.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::engine::{Commit, Engine, Key, MAX_PAUSE, Outcome, Put};
use super::memory;

fn engine() -> Arc<dyn Engine> {
    Arc::new(memory::open().unwrap())
}

fn commit(name: &'static str) -> Commit {
    let put = Put {
        value: Bytes::new(),
        expires_ms: None,
    };
    Commit {
        puts: vec![(Key::from_static(name.as_bytes()), put)],
        ..Commit::default()
    }
}

#[tokio::test]
async fn nothing_is_applied_in_a_pause() {
    let engine = engine();
    let begun = Instant::now();
    let pause = engine.pause().await.unwrap();
    let writer = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.commit(commit("a")).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let applied = engine.health().applied;
    // On a machine so slow that it has ended by itself, there is nothing to see.
    if begun.elapsed() < MAX_PAUSE {
        assert_eq!(applied, 0);
    }
    drop(pause);
    assert_eq!(writer.await.unwrap(), Outcome::Committed(1));
}

#[tokio::test]
async fn a_pause_ends_by_itself() {
    let engine = engine();
    let pause = engine.pause().await.unwrap();
    assert_eq!(engine.commit(commit("a")).await, Outcome::Committed(1));
    drop(pause);
}

#[tokio::test]
async fn commits_have_their_turn_between_two_pauses() {
    let engine = engine();
    let first = engine.pause().await.unwrap();
    let writer = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.commit(commit("a")).await }
    });
    // The writer waits for its turn; the second pause comes behind it.
    tokio::task::yield_now().await;
    drop(first);
    let second = engine.pause().await.unwrap();
    assert_eq!(engine.health().applied, 1);
    drop(second);
    assert_eq!(writer.await.unwrap(), Outcome::Committed(1));
}
