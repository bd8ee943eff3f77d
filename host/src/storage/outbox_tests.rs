//! The outbox: nothing is lost, nothing overtakes what is before it in its lane.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::audit::{self, Act, Actor};
use super::engine::Engine;
use super::keyspace::outbox::{self as keys, Lane};
use super::memory;
use super::outbox::{Entry, Failed, MAX_ATTEMPTS, Outbox, Settled, enqueue};
use super::transaction::Transaction;

const NOW_MS: u64 = 1_800_000_000_000;

struct Fixture {
    engine: Arc<dyn Engine>,
    outbox: Outbox,
}

impl Fixture {
    fn new() -> Self {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        let outbox = Outbox::of(Arc::clone(&engine));
        Self { engine, outbox }
    }

    async fn store(&self, key: &str, payload: u32) -> Entry {
        let entry = Entry::new("mail", key, json!(payload), NOW_MS);
        self.enqueue(&entry).await;
        entry
    }

    async fn enqueue(&self, entry: &Entry) {
        let mut transaction = Transaction::begin(Arc::clone(&self.engine), NOW_MS);
        enqueue(&mut transaction, entry).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn due(&self, now_ms: u64) -> Vec<(u64, Lane)> {
        self.outbox.due(now_ms, 100).await.unwrap()
    }

    /// Tries the first entry of each lane that is due; returns their payloads with what came of them.
    async fn attempt(&self, outcome: Result<(), Failed>, now_ms: u64) -> Vec<(u64, Settled)> {
        let mut tried = Vec::new();
        for (scheduled_ms, lane) in self.due(now_ms).await {
            let entry = self.outbox.head(&lane, now_ms).await.unwrap().unwrap();
            let settled = self
                .outbox
                .settle((scheduled_ms, &lane), &entry, &outcome, now_ms)
                .await
                .unwrap();
            tried.push((entry.payload.as_u64().unwrap(), settled));
        }
        tried
    }

    async fn waiting(&self) -> Vec<Entry> {
        self.outbox.list(false, 100).await.unwrap()
    }

    async fn dead(&self) -> Vec<Entry> {
        self.outbox.list(true, 100).await.unwrap()
    }
}

fn act() -> Act {
    Act {
        at_ms: NOW_MS,
        actor: Actor::Operator,
        act: "outbox.act".to_owned(),
        subject: None,
        detail: json!(null),
        personal: Vec::new(),
    }
}

fn failed(is_final: bool) -> Result<(), Failed> {
    Err(Failed {
        reason: "the server is down".to_owned(),
        is_final,
    })
}

#[tokio::test]
async fn entries_of_one_lane_are_done_in_their_order_and_lanes_do_not_wait_for_each_other() {
    let fixture = Fixture::new();
    for (key, payload) in [("ada", 1), ("ada", 2), ("eve", 3), ("ada", 4)] {
        fixture.store(key, payload).await;
    }
    let mut done = Vec::new();
    while !fixture.due(NOW_MS).await.is_empty() {
        let mut round: Vec<u64> = fixture
            .attempt(Ok(()), NOW_MS)
            .await
            .into_iter()
            .map(|(payload, _)| payload)
            .collect();
        round.sort_unstable();
        done.push(round);
    }
    assert_eq!(done, [vec![1, 3], vec![2], vec![4]]);
    assert_eq!((fixture.waiting().await, fixture.dead().await), (vec![], vec![]));
}

#[tokio::test]
async fn what_fails_is_tried_again_after_pauses_that_grow_and_holds_back_its_lane_alone() {
    let fixture = Fixture::new();
    fixture.store("ada", 1).await;
    fixture.store("ada", 2).await;
    assert_eq!(fixture.attempt(failed(false), NOW_MS).await, [(1, Settled::Again)]);
    assert_eq!(fixture.due(NOW_MS).await, []);
    fixture.store("eve", 3).await;
    assert_eq!(fixture.attempt(Ok(()), NOW_MS).await, [(3, Settled::Gone)]);
    let mut pauses = Vec::new();
    let mut now_ms = NOW_MS;
    for _ in 0..4 {
        let due_ms = fixture.waiting().await[0].due_ms;
        pauses.push(due_ms - now_ms);
        now_ms = due_ms;
        assert_eq!(fixture.due(now_ms - 1).await, []);
        assert_eq!(fixture.attempt(failed(false), now_ms).await, [(1, Settled::Again)]);
    }
    for (pause_ms, whole_ms) in pauses.into_iter().zip([5_000, 10_000, 20_000, 40_000]) {
        assert!(
            (whole_ms / 2..=whole_ms).contains(&pause_ms),
            "{pause_ms} of {whole_ms}"
        );
    }
    let waiting = fixture.waiting().await;
    assert_eq!(
        (waiting[0].attempts, waiting[0].reason.as_deref()),
        (5, Some("the server is down"))
    );
}

#[tokio::test]
async fn what_failed_together_is_not_tried_together_again() {
    let fixture = Fixture::new();
    for number in 0..50 {
        fixture.store(&format!("{number}@example.org"), number).await;
    }
    let tried = fixture.attempt(failed(false), NOW_MS).await;
    assert_eq!(tried.len(), 50);
    let due_ms: BTreeSet<u64> = fixture.waiting().await.iter().map(|entry| entry.due_ms).collect();
    // Each is drawn from 2,501 milliseconds: that half of fifty fall together, or all of them into one half of that time,
    // happens by chance less often than once in 10^12 runs.
    assert!(due_ms.len() > 25, "{due_ms:?}");
    let (first, last) = (due_ms.first().unwrap(), due_ms.last().unwrap());
    assert!(last - first > 1_250, "{due_ms:?}");
}

#[tokio::test]
async fn what_fails_for_good_is_a_dead_letter_and_the_lane_goes_on() {
    let fixture = Fixture::new();
    let entry = fixture.store("ada", 1).await;
    fixture.store("ada", 2).await;
    assert_eq!(fixture.attempt(failed(true), NOW_MS).await, [(1, Settled::Dead)]);
    assert_eq!(fixture.attempt(Ok(()), NOW_MS).await, [(2, Settled::Gone)]);
    assert_eq!(fixture.dead().await[0].id, entry.id);

    assert!(fixture.outbox.retry(entry.id, &act()).await.unwrap());
    assert!(
        !fixture.outbox.retry(entry.id, &act()).await.unwrap(),
        "it is no dead letter any more"
    );
    assert_eq!(fixture.waiting().await[0].attempts, 0);
    assert_eq!(fixture.attempt(failed(true), NOW_MS).await, [(1, Settled::Dead)]);
    assert!(fixture.outbox.drop(entry.id, &act()).await.unwrap());
    assert!(!fixture.outbox.drop(entry.id, &act()).await.unwrap());
    assert_eq!((fixture.waiting().await, fixture.dead().await), (vec![], vec![]));
    // The audit log has what was done, and not what there was nothing to do for.
    let log = audit::verify(&fixture.engine, None, NOW_MS).await.unwrap();
    assert_eq!(log.entries, 2);
}

#[tokio::test]
async fn a_dead_letter_that_nobody_looks_at_is_gone_after_two_weeks() {
    let fixture = Fixture::new();
    let entry = fixture.store("ada", 1).await;
    assert_eq!(fixture.attempt(failed(true), NOW_MS).await, [(1, Settled::Dead)]);
    let day_ms = 24 * 60 * 60_000;
    let is_there = async |now_ms| {
        let mut transaction = Transaction::begin(Arc::clone(&fixture.engine), now_ms);
        transaction.get(&keys::dead(entry.id)).await.unwrap().is_some()
    };
    assert!(is_there(NOW_MS + 13 * day_ms).await);
    assert!(!is_there(NOW_MS + 14 * day_ms).await);
}

#[tokio::test]
async fn what_fails_again_and_again_is_a_dead_letter_in_the_end() {
    let fixture = Fixture::new();
    fixture.store("ada", 1).await;
    let mut now_ms = NOW_MS;
    for attempt in 1..=MAX_ATTEMPTS {
        let settled = fixture.attempt(failed(false), now_ms).await;
        let expected = if attempt < MAX_ATTEMPTS {
            Settled::Again
        } else {
            Settled::Dead
        };
        assert_eq!(settled, [(1, expected)], "{attempt}");
        now_ms = fixture.waiting().await.first().map_or(now_ms, |entry| entry.due_ms);
    }
    let hours = (now_ms - NOW_MS) / 3_600_000;
    assert!((60..=123).contains(&hours), "{hours} hours");
}

#[tokio::test]
async fn what_says_how_long_it_is_of_use_is_tried_for_as_long() {
    let fixture = Fixture::new();
    let entry = Entry {
        attempts: MAX_ATTEMPTS,
        expires_ms: Some(NOW_MS + 1),
        ..Entry::new("mail", "ada", json!(1), NOW_MS)
    };
    fixture.enqueue(&entry).await;
    assert_eq!(fixture.attempt(failed(false), NOW_MS).await, [(1, Settled::Again)]);
    assert_eq!(fixture.waiting().await[0].attempts, MAX_ATTEMPTS + 1);
}

#[tokio::test]
async fn an_entry_goes_the_way_of_its_transaction() {
    let fixture = Fixture::new();
    let mut transaction = Transaction::begin(Arc::clone(&fixture.engine), NOW_MS);
    enqueue(&mut transaction, &Entry::new("mail", "ada", json!(1), NOW_MS))
        .await
        .unwrap();
    drop(transaction);
    assert_eq!((fixture.waiting().await, fixture.due(NOW_MS).await), (vec![], vec![]));
}

#[tokio::test]
async fn many_who_store_into_one_lane_at_a_time_lose_nothing() {
    let fixture = Arc::new(Fixture::new());
    let storing: Vec<_> = (0..20)
        .map(|payload| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                loop {
                    let mut transaction = Transaction::begin(Arc::clone(&fixture.engine), NOW_MS);
                    let entry = Entry::new("mail", "ada", json!(payload), NOW_MS);
                    if enqueue(&mut transaction, &entry).await.is_ok() && transaction.commit().await.is_ok() {
                        return;
                    }
                }
            })
        })
        .collect();
    for one in storing {
        one.await.unwrap();
    }
    let mut done = Vec::new();
    while done.len() < 20 {
        assert_eq!(fixture.due(NOW_MS).await.len(), 1, "{done:?}");
        done.extend(
            fixture
                .attempt(Ok(()), NOW_MS)
                .await
                .into_iter()
                .map(|(payload, _)| payload),
        );
    }
    done.sort_unstable();
    assert_eq!(done, (0..20).collect::<Vec<u64>>());
    assert_eq!(fixture.due(NOW_MS).await, []);
}
