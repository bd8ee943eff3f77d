//! Records of accounts in transactions of the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::storage::audit;
use crate::storage::engine::{Direction, Engine, Key, Range};
use crate::storage::outbox::{self, Entry};
use crate::storage::transaction::Transaction;

/// How often work is tried that others get in the way of.
const ATTEMPTS: u32 = 100;
/// The longest rest before work is tried again, at random, so that those who are in each other's way don't stay so.
const MAX_REST_MS: u64 = 20;

/// Work on records, kept whole or not at all.
pub(super) struct Work(Transaction);

impl Work {
    pub(super) fn begin(engine: &Arc<dyn Engine>, now_ms: u64) -> Self {
        Self(Transaction::begin(Arc::clone(engine), now_ms))
    }

    pub(super) async fn read<T: DeserializeOwned>(&mut self, key: &Key) -> Result<Option<T>, Error> {
        self.0.get(key).await?.map(|value| decode(&value)).transpose()
    }

    /// The first rows of a range, behind a key.
    pub(super) async fn scan(
        &mut self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, Error> {
        self.scan_towards(range, after, limit, Direction::Forward).await
    }

    /// The first rows of a range in a direction, behind a key.
    pub(super) async fn scan_towards(
        &mut self,
        range: &Range,
        after: Option<&Key>,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<(Key, Bytes)>, Error> {
        Ok(self.0.scan(range, after, limit, direction).await?)
    }

    /// The keys of the first rows of a range, whose values are not read.
    pub(super) async fn scan_keys(&mut self, range: &Range, limit: usize) -> Result<Vec<Key>, Error> {
        Ok(self.0.scan_keys(range, None, limit, Direction::Forward).await?)
    }

    pub(super) fn write<T: Serialize>(&mut self, key: Key, value: &T, expires_ms: Option<u64>) -> Result<(), Error> {
        let value = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
        self.0.put(key, value.into(), expires_ms);
        Ok(())
    }

    /// What capabilities work with.
    pub(super) fn transaction(&mut self) -> &mut Transaction {
        &mut self.0
    }

    /// Appends to the audit log.
    pub(super) async fn audit(&mut self, act: audit::Act) -> Result<(), Error> {
        Ok(audit::append(&mut self.0, act).await?)
    }

    /// Has something done afterwards.
    pub(super) async fn enqueue(&mut self, entry: &Entry) -> Result<(), Error> {
        Ok(outbox::enqueue(&mut self.0, entry).await?)
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.0.delete(key);
    }

    /// Returns once all of it is durable, and what it rests on.
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.0.commit().await?;
        Ok(())
    }
}

/// What a record says.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(value).map_err(|error| Error::Internal(format!("a record is unreadable: {error}")))
}

/// Does work that commits at its end, again where others were faster.
pub(super) async fn again<T, F>(work: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempts = 1;
    loop {
        match work().await {
            Err(Error::Contention) if attempts < ATTEMPTS => {
                let most_ms = u64::from(attempts - 1).min(MAX_REST_MS);
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most_ms))).await;
                attempts += 1;
            }
            done => return done,
        }
    }
}
