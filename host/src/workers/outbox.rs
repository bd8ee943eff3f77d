//! Does what waits in the outbox: each lane's first entry, many lanes at a time, until it is done or a dead letter.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use crate::storage::clock::Clock;
use crate::storage::keyspace::outbox::Lane;
use crate::storage::outbox::{Entry, Failed, Outbox, Settled};
use crate::storage::transaction::Ended;

/// How many lanes are worked on at a time.
const LANES: usize = 16;
/// How often it is looked for what is due.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does entries of one kind.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// Does an entry. It may be done again after a crash: the entry's id tells.
    async fn deliver(&self, entry: &Entry) -> Result<(), Failed>;
}

/// The targets by the names that entries have.
pub type Targets = BTreeMap<&'static str, Arc<dyn Target>>;

/// What all deliveries share.
struct Delivery {
    outbox: Outbox,
    targets: Targets,
    clock: Arc<dyn Clock>,
}

/// Delivers until it is dropped.
pub(super) async fn run(outbox: Outbox, targets: Targets, clock: Arc<dyn Clock>) {
    let delivery = Arc::new(Delivery { outbox, targets, clock });
    let (mut tasks, mut busy) = (JoinSet::new(), HashSet::new());
    loop {
        while let Some(finished) = tasks.try_join_next() {
            finished.iter().for_each(|lane| {
                busy.remove(lane);
            });
        }
        // Those that are being worked on are still in the schedule, and come first in it.
        match delivery.outbox.due(delivery.clock.now_ms(), LANES).await {
            Ok(due) => {
                for (scheduled_ms, lane) in due {
                    if tasks.len() < LANES && busy.insert(lane) {
                        let delivery = Arc::clone(&delivery);
                        tasks.spawn(async move {
                            delivery.lane(scheduled_ms, lane).await;
                            lane
                        });
                    }
                }
            }
            Err(error) => tracing::error!(target: "outbox", %error, "the outbox can't be read; trying again"),
        }
        // Whoever is done makes room at once.
        tokio::select! {
            Some(finished) = tasks.join_next() => {
                finished.iter().for_each(|lane| { busy.remove(lane); });
            }
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

impl Delivery {
    /// Tries the first entry of a lane, and settles what came of it.
    async fn lane(&self, scheduled_ms: u64, lane: Lane) {
        if let Err(error) = self.attempt(scheduled_ms, &lane).await {
            tracing::error!(target: "outbox", %error, "an attempt is not settled; it is made again");
            // Not at once: the store may be in trouble.
            tokio::time::sleep(INTERVAL * 4).await;
        }
    }

    async fn attempt(&self, scheduled_ms: u64, lane: &Lane) -> Result<(), Ended> {
        let now_ms = self.clock.now_ms();
        let scheduled = (scheduled_ms, lane);
        let Some(entry) = self.outbox.head(lane, now_ms).await? else {
            return self.outbox.unschedule(scheduled, now_ms).await;
        };
        let outcome = self.deliver(&entry, now_ms).await;
        let now_ms = self.clock.now_ms();
        let settled = self.outbox.settle(scheduled, &entry, &outcome, now_ms).await?;
        let (id, target, reason) = (entry.id, &entry.target, outcome.err().map(|failed| failed.reason));
        match settled {
            Settled::Gone => tracing::debug!(target: "outbox", %id, target, "done"),
            Settled::Again => tracing::info!(target: "outbox", %id, target, reason, "failed; it is tried again"),
            Settled::Dead => {
                tracing::warn!(target: "outbox", %id, target, reason, "failed for good: `portcullis outbox list --dead` shows it");
            }
        }
        Ok(())
    }

    async fn deliver(&self, entry: &Entry, now_ms: u64) -> Result<(), Failed> {
        if entry.is_expired(now_ms) {
            // Nobody is helped by it any more, but the operator is to see what was not delivered.
            return Err(Failed {
                reason: "too old to be of use: it could not be delivered in time".to_owned(),
                is_final: true,
            });
        }
        let Some(target) = self.targets.get(entry.target.as_str()) else {
            return Err(Failed {
                reason: format!("there is no target `{}`", entry.target),
                is_final: true,
            });
        };
        // One that breaks down over an entry keeps no others waiting.
        let delivery = AssertUnwindSafe(target.deliver(entry)).catch_unwind();
        match tokio::time::timeout(PATIENCE, delivery).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Err(Failed {
                reason: format!("the target `{}` broke down: the log says how", entry.target),
                is_final: false,
            }),
            Err(_) => Err(Failed {
                reason: format!("no answer within {} s", PATIENCE.as_secs()),
                is_final: false,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::clock::SystemClock;
    use crate::storage::engine::Engine;
    use crate::storage::memory;
    use crate::storage::outbox::enqueue;
    use crate::storage::transaction::Transaction;
    use parking_lot::Mutex;
    use serde_json::json;

    /// Remembers what it is given, fails for one key, and breaks down over another.
    #[derive(Default)]
    struct Remembering(Mutex<Vec<u64>>);

    #[async_trait]
    impl Target for Remembering {
        async fn deliver(&self, entry: &Entry) -> Result<(), Failed> {
            assert!(entry.key != "broken", "it can't do that");
            if entry.key == "down" {
                return Err(Failed {
                    reason: "down".to_owned(),
                    is_final: false,
                });
            }
            // Were two of one lane done at a time, the second would be faster.
            let number = entry.payload.as_u64().unwrap();
            tokio::time::sleep(Duration::from_millis(3 - number % 3)).await;
            self.0.lock().push(number);
            Ok(())
        }
    }

    #[tokio::test]
    async fn all_lanes_are_done_in_order_although_one_is_down_and_what_can_not_be_done_is_dead() {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut transaction = Transaction::begin(Arc::clone(&engine), clock.now_ms());
        for number in 0..60 {
            let key = (number % 20).to_string();
            let entry = Entry::new("test", &key, json!(number), clock.now_ms());
            enqueue(&mut transaction, &entry).await.unwrap();
        }
        for (target, key) in [("test", "down"), ("test", "broken"), ("none", "a")] {
            let entry = Entry::new(target, key, json!(0), clock.now_ms());
            enqueue(&mut transaction, &entry).await.unwrap();
        }
        let late = Entry {
            expires_ms: Some(clock.now_ms()),
            ..Entry::new("test", "late", json!(0), clock.now_ms())
        };
        enqueue(&mut transaction, &late).await.unwrap();
        transaction.commit().await.unwrap();
        let target = Arc::new(Remembering::default());
        let targets = Targets::from([("test", Arc::clone(&target) as Arc<dyn Target>)]);
        let outbox = Outbox::of(engine);
        let running = tokio::spawn(run(outbox.clone(), targets, clock));
        let (mut waiting, mut dead) = (Vec::new(), Vec::new());
        for _ in 0..1_000 {
            waiting = outbox.list(false, 100).await.unwrap();
            dead = outbox.list(true, 100).await.unwrap();
            if waiting.len() == 2 && waiting.iter().all(|entry| entry.attempts > 0) && dead.len() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running.abort();
        waiting.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        let waiting: Vec<_> = waiting.iter().map(|entry| (&*entry.key, entry.attempts)).collect();
        assert!(matches!(waiting[..], [("broken", 1..), ("down", 1..)]), "{waiting:?}");
        // What could not be done in time is not done, and nobody is left to wonder about it.
        let mut given_up: Vec<_> = dead.iter().map(|entry| (&*entry.target, &*entry.key)).collect();
        given_up.sort_unstable();
        assert_eq!(given_up, [("none", "a"), ("test", "late")]);
        let done = target.0.lock().clone();
        assert_eq!(done.len(), 60);
        for lane in 0..20 {
            let of_lane: Vec<u64> = done.iter().copied().filter(|number| number % 20 == lane).collect();
            assert_eq!(of_lane, [lane, lane + 20, lane + 40]);
        }
    }
}
