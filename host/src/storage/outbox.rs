//! The outbox: what is to be done in the outside world, stored in the transaction that causes it, and done afterwards, at
//! least once.
//!
//! Entries with the same target and key are in one *lane* and are done in their order; lanes don't wait for each other. A
//! lane that has entries has exactly one entry in the schedule, which says when its first one is tried next.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::audit::{self, Act};
use super::engine::{Direction, Engine, MAX_SCAN_ROWS, Scan};
use super::keyspace::outbox as keys;
use super::keyspace::outbox::Lane;
use super::transaction::{Ended, Transaction};

/// How often an entry is tried before it is a dead letter, unless it says itself how long it is of use: for two and a half to five
/// days with the pauses below (RFC 5321, 4.5.4.1).
pub const MAX_ATTEMPTS: u32 = 72;
/// The pause behind the first attempt; it doubles with each.
const FIRST_PAUSE_MS: u64 = 5_000;
/// The longest pause.
const MAX_PAUSE_MS: u64 = 2 * 60 * 60_000;
/// How long a dead letter waits for somebody to decide about it.
const DEAD_KEPT_MS: u64 = 14 * 24 * 60 * 60_000;
/// The most characters that are kept of why an attempt failed.
const MAX_REASON_CHARACTERS: usize = 500;
/// How often a change of the outbox is tried that others get in the way of.
const TRIES: u32 = 32;

/// What is to be done. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// A UUID of version 7; what is done twice after a crash can be told by it.
    pub id: Uuid,
    /// Who does it.
    pub target: String,
    /// Entries of a target with the same key are done one after the other.
    pub key: String,
    /// What is to be done, as the target understands it.
    pub payload: Value,
    /// When it was stored.
    pub made_ms: u64,
    /// From when on it is of no use any more.
    pub expires_ms: Option<u64>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub due_ms: u64,
    /// Why the last attempt failed.
    pub reason: Option<String>,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// For the operator.
    pub reason: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

/// What came of an entry that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is gone.
    Gone,
    /// It is tried again.
    Again,
    /// It is a dead letter.
    Dead,
}

impl Entry {
    /// An entry that can be tried at once.
    pub fn new(target: &str, key: &str, payload: Value, now_ms: u64) -> Self {
        Self {
            id: Uuid::now_v7(),
            target: target.to_owned(),
            key: key.to_owned(),
            payload,
            made_ms: now_ms,
            expires_ms: None,
            attempts: 0,
            due_ms: now_ms,
            reason: None,
        }
    }

    /// Whether it is of no use any more.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    fn lane(&self) -> Lane {
        lane(&self.target, &self.key)
    }

    fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("an entry has a text").into()
    }
}

/// The lane of a target's key.
pub fn lane(target: &str, key: &str) -> Lane {
    let digest: [u8; 32] = Sha256::new_with_prefix(target)
        .chain_update([0])
        .chain_update(key)
        .finalize()
        .into();
    let mut lane = Lane::default();
    lane.copy_from_slice(&digest[..16]);
    lane
}

fn decode(value: &[u8]) -> Result<Entry, Ended> {
    serde_json::from_slice(value)
        .map_err(|error| Ended::Unavailable(format!("an entry of the outbox is unreadable: {error}")))
}

/// Stores an entry with what else the transaction writes.
pub async fn enqueue(transaction: &mut Transaction, entry: &Entry) -> Result<(), Ended> {
    let lane = entry.lane();
    if first(transaction, &lane).await?.is_none() {
        transaction.put(keys::scheduled(entry.due_ms, &lane), Bytes::new(), None);
    }
    transaction.put(keys::waiting(&lane, entry.id), entry.encode(), None);
    Ok(())
}

/// The first entry of a lane.
async fn first(transaction: &mut Transaction, lane: &Lane) -> Result<Option<Entry>, Ended> {
    let rows = transaction.scan(&keys::lane(lane), None, 1, Direction::Forward).await?;
    rows.first().map(|(_, value)| decode(value)).transpose()
}

/// The outbox of a store.
#[derive(Clone)]
pub struct Outbox {
    engine: Arc<dyn Engine>,
}

impl Outbox {
    /// The outbox of a store.
    pub fn of(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// The lanes that are due, with the times for which they were scheduled.
    pub async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<(u64, Lane)>, Ended> {
        let rows = self.engine.scan(&Scan::keys(keys::due(now_ms), limit)).await?;
        Ok(rows
            .data
            .iter()
            .filter_map(|(key, _)| keys::parse_scheduled(key))
            .collect())
    }

    /// The entry of a lane that is to be tried. Durable: what is done outside rests on it.
    pub async fn head(&self, lane: &Lane, now_ms: u64) -> Result<Option<Entry>, Ended> {
        let mut transaction = Transaction::begin(Arc::clone(&self.engine), now_ms);
        let entry = first(&mut transaction, lane).await?;
        transaction.commit().await?;
        Ok(entry)
    }

    /// Settles an attempt at the first entry of a lane that was scheduled for `scheduled_ms`, and schedules the lane anew.
    pub async fn settle(
        &self,
        (scheduled_ms, lane): (u64, &Lane),
        entry: &Entry,
        outcome: &Result<(), Failed>,
        now_ms: u64,
    ) -> Result<Settled, Ended> {
        self.again(now_ms, |transaction| {
            settle(transaction, scheduled_ms, *lane, entry.clone(), outcome.clone(), now_ms)
        })
        .await
    }

    /// Removes a lane without entries from the schedule.
    pub async fn unschedule(&self, (scheduled_ms, lane): (u64, &Lane), now_ms: u64) -> Result<(), Ended> {
        self.again(now_ms, |transaction| unschedule(transaction, scheduled_ms, *lane))
            .await
    }

    /// Up to `limit` entries that wait or are dead.
    pub async fn list(&self, dead: bool, limit: usize) -> Result<Vec<Entry>, Ended> {
        let range = if dead { keys::all_dead() } else { keys::all_waiting() };
        self.listed(Scan::first(range, limit.min(MAX_SCAN_ROWS))).await
    }

    /// Up to `limit` dead letters behind one, the oldest first.
    pub async fn list_dead(&self, behind: Option<Uuid>, limit: usize) -> Result<Vec<Entry>, Ended> {
        let scan = Scan {
            after: behind.map(keys::dead),
            ..Scan::first(keys::all_dead(), limit.min(MAX_SCAN_ROWS))
        };
        self.listed(scan).await
    }

    async fn listed(&self, scan: Scan) -> Result<Vec<Entry>, Ended> {
        let rows = self.engine.scan(&scan).await?;
        // What is told must stay true.
        self.engine.durable(rows.applied).await?;
        rows.data.into_iter().map(|(_, row)| decode(&row.value)).collect()
    }

    /// Has a dead letter tried again, at once and as often as a new one, and writes the entry of the audit log with that.
    /// False, and no entry, where there is none.
    pub async fn retry(&self, id: Uuid, act: &Act) -> Result<bool, Ended> {
        self.again(act.at_ms, |transaction| retry(transaction, id, act.clone()))
            .await
    }

    /// Drops a dead letter, and writes the entry of the audit log with that. False, and no entry, where there is none.
    pub async fn drop(&self, id: Uuid, act: &Act) -> Result<bool, Ended> {
        self.again(act.at_ms, |transaction| drop_dead(transaction, id, act.clone()))
            .await
    }

    /// Does work in a transaction of its own, again where others were faster.
    async fn again<T, F>(&self, now_ms: u64, work: impl Fn(Transaction) -> F) -> Result<T, Ended>
    where
        F: Future<Output = Result<(Transaction, T), Ended>>,
    {
        let mut tries = 1;
        loop {
            let worked = work(Transaction::begin(Arc::clone(&self.engine), now_ms)).await;
            let done = match worked {
                Ok((transaction, done)) => transaction.commit().await.map(|_| done),
                Err(ended) => Err(ended),
            };
            match done {
                Err(Ended::Conflict(_)) if tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }
}

async fn settle(
    mut transaction: Transaction,
    scheduled_ms: u64,
    lane: Lane,
    mut entry: Entry,
    outcome: Result<(), Failed>,
    now_ms: u64,
) -> Result<(Transaction, Settled), Ended> {
    let key = keys::waiting(&lane, entry.id);
    transaction.delete(keys::scheduled(scheduled_ms, &lane));
    let settled = match outcome {
        Ok(()) => Settled::Gone,
        // Somebody has dropped it meanwhile.
        Err(_) if transaction.get(&key).await?.is_none() => Settled::Gone,
        Err(Failed { reason, is_final }) => {
            entry.attempts += 1;
            entry.reason = Some(reason.chars().take(MAX_REASON_CHARACTERS).collect());
            let is_dead = is_final || entry.expires_ms.is_none() && entry.attempts >= MAX_ATTEMPTS;
            if is_dead { Settled::Dead } else { Settled::Again }
        }
    };
    match settled {
        Settled::Again => {
            entry.due_ms = now_ms + pause_ms(entry.attempts);
            transaction.put(key, entry.encode(), None);
            transaction.put(keys::scheduled(entry.due_ms, &lane), Bytes::new(), None);
        }
        Settled::Gone | Settled::Dead => {
            transaction.delete(key);
            if settled == Settled::Dead {
                transaction.put(keys::dead(entry.id), entry.encode(), Some(now_ms + DEAD_KEPT_MS));
            }
            if let Some(next) = first(&mut transaction, &lane).await? {
                transaction.put(keys::scheduled(next.due_ms.max(now_ms), &lane), Bytes::new(), None);
            }
        }
    }
    Ok((transaction, settled))
}

async fn unschedule(mut transaction: Transaction, scheduled_ms: u64, lane: Lane) -> Result<(Transaction, ()), Ended> {
    if first(&mut transaction, &lane).await?.is_none() {
        transaction.delete(keys::scheduled(scheduled_ms, &lane));
    }
    Ok((transaction, ()))
}

async fn retry(mut transaction: Transaction, id: Uuid, act: Act) -> Result<(Transaction, bool), Ended> {
    let Some(value) = transaction.get(&keys::dead(id)).await? else {
        return Ok((transaction, false));
    };
    let entry = Entry {
        attempts: 0,
        due_ms: act.at_ms,
        ..decode(&value)?
    };
    transaction.delete(keys::dead(id));
    enqueue(&mut transaction, &entry).await?;
    audit::append(&mut transaction, act).await?;
    Ok((transaction, true))
}

async fn drop_dead(mut transaction: Transaction, id: Uuid, act: Act) -> Result<(Transaction, bool), Ended> {
    let is_there = transaction.get(&keys::dead(id)).await?.is_some();
    if is_there {
        transaction.delete(keys::dead(id));
        audit::append(&mut transaction, act).await?;
    }
    Ok((transaction, is_there))
}

/// The pause behind an attempt: twice as long each time, and up to half of it less at random, so that what failed together
/// is not tried together.
fn pause_ms(attempts: u32) -> u64 {
    let doubled = FIRST_PAUSE_MS.saturating_mul(1 << attempts.saturating_sub(1).min(32));
    let whole = doubled.min(MAX_PAUSE_MS);
    whole - rand::random_range(0..=whole / 2)
}
