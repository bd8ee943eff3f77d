//! The view that one call has of the store: it never sees two states, sees its own writes, and is committed whole or not at all.

mod rows;

pub use rows::Scanned;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::engine::{Commit, Engine, Idempotency, Key, Outcome, Put, Quota, Reads, Sequence, Unavailable};

/// The most bytes of values, keys and ranges that one transaction remembers of its reads.
const MAX_HELD_BYTES: usize = 64 * 1_024 * 1_024;
/// The most values that are asked of the store at a time where they are large: many together may be more than can be held.
const READ_AT_A_TIME: usize = 16;
/// The same where they have been small so far: few at a time see a new state each time, which makes conflicts where others write.
const SMALL_AT_A_TIME: usize = 64;
/// What is small, in bytes, of all that was read together.
const SMALL_BYTES: usize = 1_024 * 1_024;

/// Why a call can't go on. Once a transaction has ended, everything on it answers the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// What it read has changed; the call is to be tried again.
    #[error("what the call read has changed")]
    Conflict(BTreeSet<Key>),
    /// The namespace is at its limit.
    #[error("the storage limit of {} is reached: {} bytes", .0.namespace, .0.limit_bytes)]
    Full(Quota),
    /// The reads or writes are beyond the limits; trying again will not help.
    #[error("too much for one transaction: {0}")]
    TooLarge(String),
    /// The idempotency key holds this answer already.
    #[error("the request was answered before")]
    Duplicate(Bytes),
    /// The store can't be read or takes no writes.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nobody knows whether the writes survive.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
}

impl From<Unavailable> for Ended {
    fn from(Unavailable(reason): Unavailable) -> Self {
        Self::Unavailable(reason)
    }
}

/// One call's view of the store.
///
/// All that was read is known to hold in one state, that of the commit `since`. A read that sees a later state first
/// asks whether anything recorded so far has changed in between: if not, everything holds in the later state as well;
/// if so, the call ends.
pub struct Transaction {
    engine: Arc<dyn Engine>,
    now_ms: u64,
    /// `None` before the first read.
    since: Option<Sequence>,
    reads: Reads,
    /// What `reads.keys` held, so that a key is asked for once.
    values: BTreeMap<Key, Option<Bytes>>,
    /// Keys that the call takes to be stored in these versions, and that no read has confirmed yet.
    assumed: Vec<(Key, Sequence)>,
    /// The bytes of what is recorded and held above.
    held_bytes: usize,
    /// The rows that scans have returned.
    scanned_rows: usize,
    /// The commit that must be durable before an answer that rests on the reads may leave.
    seen: Sequence,
    writes: BTreeMap<Key, Option<Put>>,
    changed: BTreeSet<Key>,
    quotas: Vec<Quota>,
    idempotency: Option<Idempotency>,
    ended: Option<Ended>,
}

impl Transaction {
    /// Begins at whatever state the first read sees.
    pub fn begin(engine: Arc<dyn Engine>, now_ms: u64) -> Self {
        Self {
            engine,
            now_ms,
            since: None,
            reads: Reads::default(),
            values: BTreeMap::new(),
            assumed: Vec::new(),
            held_bytes: 0,
            scanned_rows: 0,
            seen: 0,
            writes: BTreeMap::new(),
            changed: BTreeSet::new(),
            quotas: Vec::new(),
            idempotency: None,
            ended: None,
        }
    }

    /// The time of the call; it does not move.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// How many rows its scans have returned so far.
    pub fn scanned_rows(&self) -> usize {
        self.scanned_rows
    }

    /// The value of a key.
    pub async fn get(&mut self, key: &Key) -> Result<Option<Bytes>, Ended> {
        if let Some(known) = self.known(key)? {
            return Ok(known);
        }
        self.fetch(std::slice::from_ref(key)).await?;
        Ok(self.values.get(key).cloned().flatten())
    }

    /// The values of several keys, in their order.
    pub async fn get_many(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Ended> {
        let mut missing = BTreeSet::new();
        for key in keys {
            if self.known(key)?.is_none() {
                missing.insert(key.clone());
            }
        }
        if !missing.is_empty() {
            self.fetch(&missing.into_iter().collect::<Vec<_>>()).await?;
        }
        keys.iter().map(|key| Ok(self.known(key)?.flatten())).collect()
    }

    /// The same for a few keys whose values are needed once: they are not held, so that a call may look at any number of large
    /// ones, one after the other. That they were read is remembered all the same.
    pub async fn look_up(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Ended> {
        self.check()?;
        self.confirm().await?;
        let known: Vec<_> = keys.iter().map(|key| self.known(key)).collect::<Result<_, _>>()?;
        let unknown = keys.iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<Key> = unknown.map(|(key, _)| key.clone()).collect();
        let mut read = self.read(&unknown).await?.into_iter();
        let values = known.into_iter();
        Ok(values
            .map(|known| known.unwrap_or_else(|| read.next().flatten()))
            .collect())
    }

    /// Takes for given that a key is stored in a version that the caller knows, 0 where it is absent. The call's next read
    /// confirms it, or else the commit does: where it is wrong, the call ends with a conflict. Reads nothing by itself.
    pub fn assume(&mut self, key: Key, version: Sequence) -> Result<(), Ended> {
        self.check()?;
        let assumed = (key, version);
        if !self.reads.keys.contains(&assumed) && !self.assumed.contains(&assumed) {
            self.assumed.push(assumed);
        }
        Ok(())
    }

    /// The version in which a key was found that the call has read; 0 where it was absent.
    pub fn version_read(&self, key: &Key) -> Option<Sequence> {
        let mut read = self.reads.keys.iter();
        read.find(|(candidate, _)| candidate == key)
            .map(|(_, version)| *version)
    }

    /// Writes a value, visible to the call at once and to others after the commit.
    pub fn put(&mut self, key: Key, value: Bytes, expires_ms: Option<u64>) {
        self.writes.insert(key, Some(Put { value, expires_ms }));
    }

    /// Removes a key.
    pub fn delete(&mut self, key: Key) {
        self.writes.insert(key, None);
    }

    /// Has the change log record that the document under `key` changed.
    pub fn record_change(&mut self, key: Key) {
        self.changed.insert(key);
    }

    /// Counts the writes against a namespace's limit.
    pub fn limit(&mut self, quota: Quota) {
        if !self.quotas.contains(&quota) {
            self.quotas.push(quota);
        }
    }

    /// Keeps the answer under the idempotency key, in the same commit.
    pub fn keep_answer(&mut self, idempotency: Idempotency) {
        self.idempotency = Some(idempotency);
    }

    /// Whether there is anything to commit.
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.changed.is_empty() && self.idempotency.is_none()
    }

    /// Commits. A call that only read commits nothing, but waits until what it read is durable.
    pub async fn commit(mut self) -> Result<Sequence, Ended> {
        self.check()?;
        if self.is_read_only() {
            self.engine.durable(self.seen).await?;
            return Ok(self.since.unwrap_or(0));
        }
        self.reads.keys.append(&mut self.assumed);
        let outcome = self.engine.commit(Commit {
            reads: self.reads,
            since: self.since.unwrap_or(0),
            deletes: self
                .writes
                .iter()
                .filter(|(_, put)| put.is_none())
                .map(|(key, _)| key.clone())
                .collect(),
            puts: self
                .writes
                .into_iter()
                .filter_map(|(key, put)| Some((key, put?)))
                .collect(),
            changed: self.changed.into_iter().collect(),
            quotas: self.quotas,
            idempotency: self.idempotency,
            now_ms: self.now_ms,
        });
        match outcome.await {
            Outcome::Committed(sequence) => Ok(sequence),
            Outcome::Duplicate(answer) => Err(Ended::Duplicate(answer)),
            Outcome::Conflict(keys) => Err(Ended::Conflict(keys)),
            Outcome::Full(quota) => Err(Ended::Full(quota)),
            Outcome::TooLarge(reason) => Err(Ended::TooLarge(reason)),
            Outcome::Unavailable(reason) => Err(Ended::Unavailable(reason)),
            Outcome::Unknown(reason) => Err(Ended::Unknown(reason)),
        }
    }

    /// Gives up; returns when what the call has read is durable, so that its answer may leave.
    pub async fn abandon(self) -> Result<(), Ended> {
        self.check()?;
        Ok(self.engine.durable(self.seen).await?)
    }

    fn check(&self) -> Result<(), Ended> {
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn end<T>(&mut self, ended: Ended) -> Result<T, Ended> {
        self.ended = Some(ended.clone());
        Err(ended)
    }

    /// What the call itself wrote to the key, or has read from it before.
    fn known(&self, key: &Key) -> Result<Option<Option<Bytes>>, Ended> {
        self.check()?;
        let written = self
            .writes
            .get(key)
            .map(|put| put.as_ref().filter(|put| self.lives(put.expires_ms)));
        Ok(written
            .map(|put| put.map(|put| put.value.clone()))
            .or_else(|| self.values.get(key).cloned()))
    }

    fn lives(&self, expires_ms: Option<u64>) -> bool {
        expires_ms.is_none_or(|expires_ms| expires_ms > self.now_ms)
    }

    /// Has what is assumed confirmed by the store; a read comes next.
    async fn confirm(&mut self) -> Result<(), Ended> {
        if self.assumed.is_empty() {
            return Ok(());
        }
        let assumed = std::mem::take(&mut self.assumed);
        let keys: Vec<Key> = assumed.iter().map(|(key, _)| key.clone()).collect();
        self.read_and_hold(&keys).await?;
        let wrong = assumed
            .into_iter()
            .filter(|(key, version)| self.version_read(key) != Some(*version));
        let wrong: BTreeSet<Key> = wrong.map(|(key, _)| key).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        self.end(Ended::Conflict(wrong))
    }

    /// Reads keys that were not read before.
    async fn fetch(&mut self, keys: &[Key]) -> Result<(), Ended> {
        self.confirm().await?;
        self.read_and_hold(keys).await
    }

    async fn read_and_hold(&mut self, keys: &[Key]) -> Result<(), Ended> {
        // A few at a time: what is too much is noticed before all of it is there.
        let (mut left, mut at_a_time) = (keys, READ_AT_A_TIME);
        while !left.is_empty() {
            let (part, others) = left.split_at(at_a_time.min(left.len()));
            let mut bytes = 0;
            for (key, value) in part.iter().zip(self.read(part).await?) {
                let length = value.as_ref().map_or(0, Bytes::len);
                self.hold(length)?;
                bytes += length;
                self.values.insert(key.clone(), value);
            }
            at_a_time = if bytes <= SMALL_BYTES {
                SMALL_AT_A_TIME
            } else {
                READ_AT_A_TIME
            };
            left = others;
        }
        Ok(())
    }

    /// Reads keys from the store, and remembers in which versions.
    async fn read(&mut self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Ended> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let seen = match self.engine.get(keys).await {
            Ok(seen) => seen,
            Err(unavailable) => return self.end(unavailable.into()),
        };
        self.move_to(seen.applied).await?;
        let mut values = Vec::with_capacity(keys.len());
        for (key, stored) in keys.iter().zip(seen.data) {
            let version = stored.as_ref().map_or(0, |stored| stored.version);
            // An absent key may have been removed by the very last commit; a value was written by its own.
            self.seen = self.seen.max(if stored.is_some() { version } else { seen.applied });
            self.hold(key.len())?;
            self.reads.keys.push((key.clone(), version));
            let stored = stored.filter(|stored| self.lives(stored.expires_ms));
            values.push(stored.map(|stored| stored.value));
        }
        Ok(values)
    }

    /// Counts what the transaction keeps of its reads; a call that reads without end is ended.
    fn hold(&mut self, bytes: usize) -> Result<(), Ended> {
        self.held_bytes += bytes;
        if self.held_bytes <= MAX_HELD_BYTES {
            return Ok(());
        }
        let limit_mib = MAX_HELD_BYTES >> 20;
        self.end(Ended::TooLarge(format!("it reads more than {limit_mib} MiB")))
    }

    /// Ends the call unless all that it has read so far is the same at `applied`.
    async fn move_to(&mut self, applied: Sequence) -> Result<(), Ended> {
        if let Some(since) = self.since.filter(|&since| since < applied) {
            match self.engine.changed(&self.reads, since, applied).await {
                Ok(changed) if changed.is_empty() => {}
                Ok(changed) => return self.end(Ended::Conflict(changed)),
                Err(unavailable) => return self.end(unavailable.into()),
            }
        }
        self.since = Some(applied);
        Ok(())
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
