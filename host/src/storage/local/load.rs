//! Fills a new backend with records as they were in another store, versions included.

use std::io;

use bytes::Bytes;

use super::backend::{Backend, Batch};
use super::envelope::Envelope;
use super::staged::{Staged, totals};
use crate::storage::engine::{Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, Put, Sequence, Versioned};

/// A batch is applied once it takes this much.
const BATCH_BYTES: usize = 4 * 1_024 * 1_024;

/// A new store being filled. It can be opened once `finish` has returned.
pub struct Load<B> {
    backend: B,
    batch: Batch,
    batch_bytes: usize,
    staged: Staged,
    records: u64,
}

impl<B: Backend> Load<B> {
    /// Begins with an empty backend.
    pub fn into(backend: B) -> Self {
        Self {
            backend,
            batch: Batch::default(),
            batch_bytes: 0,
            staged: Staged::default(),
            records: 0,
        }
    }

    /// Puts a record in place, or removes it; what is there under its key goes.
    pub fn record(&mut self, key: &Key, stored: Option<Versioned>) -> io::Result<()> {
        let value_bytes = stored.as_ref().map_or(0, |stored| stored.value.len());
        if key.len() > MAX_KEY_BYTES || value_bytes > MAX_VALUE_BYTES {
            let text = format!("the record \"{}\" is beyond the limits", key.escape_ascii());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let before = self.raw(key)?.map(|raw| Envelope::open(key, raw)).transpose()?;
        self.records = self.records - u64::from(before.is_some()) + u64::from(stored.is_some());
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let put = stored.map(|stored| Put {
            value: stored.value,
            expires_ms: stored.expires_ms,
        });
        self.staged.write(key, before.as_ref(), put.as_ref(), version);
        self.staged.written.clear();
        self.batch.0.extend(self.staged.raw.drain(..));
        self.batch_bytes += key.len() + value_bytes;
        if self.batch_bytes >= BATCH_BYTES {
            self.apply()?;
        }
        Ok(())
    }

    /// Completes the store, whose last commit is `sequence`, and syncs it. Says how many records it holds.
    pub fn finish(mut self, sequence: Sequence) -> io::Result<u64> {
        let charges = self.staged.charges.iter();
        // A store never holds less than nothing.
        let usage = charges.map(|(prefix, bytes)| (prefix, bytes.max(&0).unsigned_abs()));
        self.batch
            .0
            .extend(totals(usage, sequence).map(|(key, value)| (key, Some(value))));
        self.apply()?;
        self.backend.sync()?;
        Ok(self.records)
    }

    fn raw(&self, key: &Key) -> io::Result<Option<Bytes>> {
        match self.batch.0.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.backend.get(key),
        }
    }

    fn apply(&mut self) -> io::Result<()> {
        self.batch_bytes = 0;
        self.backend.apply(&std::mem::take(&mut self.batch))
    }
}
