//! The view that one call has of the store: it never sees two states, sees its own writes, and is committed whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::engine::{Direction, Engine, Idempotency, Key, Quota, Range, Sequence};

/// Why a call can't go on. Once a transaction has ended, everything on it answers the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// What it read has changed; the call is to be tried again.
    #[error("what the call read has changed")]
    Conflict(BTreeSet<Key>),
    /// The namespace is at its limit.
    #[error("the storage limit of {0:?} is reached")]
    Full(Quota),
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

/// One call's view of the store.
pub struct Transaction {
    engine: Arc<dyn Engine>,
    now_ms: u64,
}

impl Transaction {
    /// Begins at whatever state the first read sees.
    pub fn begin(engine: Arc<dyn Engine>, now_ms: u64) -> Self {
        Self { engine, now_ms }
    }

    /// The time of the call; it does not move.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The value of a key.
    pub async fn get(&mut self, _key: &Key) -> Result<Option<Bytes>, Ended> {
        let _ = &self.engine;
        todo!()
    }

    /// The values of several keys, in their order.
    pub async fn get_many(&mut self, _keys: &[Key]) -> Result<Vec<Option<Bytes>>, Ended> {
        todo!()
    }

    /// At most `limit` rows (at most `MAX_SCAN_ROWS`) behind `after`, the call's own writes included.
    /// Fewer than `limit` rows means that the range is exhausted.
    pub async fn scan(
        &mut self,
        _range: &Range,
        _after: Option<&Key>,
        _limit: usize,
        _direction: Direction,
    ) -> Result<Vec<(Key, Bytes)>, Ended> {
        todo!()
    }

    /// Writes a value, visible to the call at once and to others after the commit.
    pub fn put(&mut self, _key: Key, _value: Bytes, _expires_ms: Option<u64>) {
        todo!()
    }

    /// Removes a key.
    pub fn delete(&mut self, _key: Key) {
        todo!()
    }

    /// Has the change log record that the document under `key` changed.
    pub fn record_change(&mut self, _key: Key) {
        todo!()
    }

    /// Counts the writes against a namespace's limit.
    pub fn limit(&mut self, _quota: Quota) {
        todo!()
    }

    /// Keeps the answer under the idempotency key, in the same commit.
    pub fn keep_answer(&mut self, _idempotency: Idempotency) {
        todo!()
    }

    /// Whether there is anything to commit.
    pub fn is_read_only(&self) -> bool {
        todo!()
    }

    /// Commits. A call that only read commits nothing, but waits until what it read is durable.
    pub async fn commit(self) -> Result<Sequence, Ended> {
        todo!()
    }

    /// Gives up; returns when what the call has read is durable, so that its answer may leave.
    pub async fn abandon(self) -> Result<(), Ended> {
        todo!()
    }
}
