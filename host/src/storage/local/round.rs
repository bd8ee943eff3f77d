//! One round of the committer: the commits of one drain of its queue, checked one after the other and merged into one batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use bytes::Bytes;

use super::backend::{Backend, Batch};
use super::envelope::Envelope;
use super::recent::{self, Recent, Written};
use super::staged::{Staged, totals};
use super::usage::Usage;
use crate::storage::engine::{
    Commit, Idempotency, Key, MAX_COMMIT_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Outcome, Put, Quota, Sequence,
};
use crate::storage::{change_log, keyspace};

/// Commits that were admitted, and what they write together. A later commit sees the earlier ones of its round.
pub(super) struct Round<'a, B> {
    backend: &'a B,
    recent: &'a Recent,
    usage: &'a Usage,
    /// The last commit before this round.
    before: Sequence,
    /// Versions as they were before this round, of keys that commits have read: most have read the same ones.
    read: HashMap<Key, Sequence>,
    batch: Batch,
    charged: HashMap<Key, u64>,
    written: Vec<Written>,
    logged: Option<Sequence>,
}

/// What a round leaves to be applied.
pub(super) struct Applicable {
    pub(super) batch: Batch,
    pub(super) charged: HashMap<Key, u64>,
    pub(super) written: Vec<Written>,
    /// The last commit that has an entry in the change log.
    pub(super) logged: Option<Sequence>,
}

impl<'a, B: Backend> Round<'a, B> {
    pub(super) fn new(backend: &'a B, recent: &'a Recent, usage: &'a Usage, before: Sequence) -> Self {
        let (batch, charged, written) = (Batch::default(), HashMap::new(), Vec::new());
        Self {
            backend,
            recent,
            usage,
            before,
            read: HashMap::new(),
            batch,
            charged,
            written,
            logged: None,
        }
    }

    /// The sequence of the last commit that was admitted.
    fn last(&self) -> Sequence {
        self.before + self.written.len() as Sequence
    }

    /// Checks a commit, and adds it to the batch if nothing speaks against it. `Committed` holds once the batch is
    /// applied and synced. An error means that the backend could not be read, and that the commit was not added.
    pub(super) fn admit(&mut self, commit: &Commit) -> io::Result<Outcome> {
        if let Some(reason) = too_large(commit) {
            return Ok(Outcome::TooLarge(reason));
        }
        if let Some(answer) = self.answer(commit)? {
            return Ok(Outcome::Duplicate(answer));
        }
        let conflicts = self.conflicts(commit)?;
        if !conflicts.is_empty() {
            return Ok(Outcome::Conflict(conflicts));
        }
        let staged = self.stage(commit)?;
        if let Some(quota) = self.exceeded(commit, &staged) {
            return Ok(Outcome::Full(quota));
        }
        self.add(staged);
        if !commit.changed.is_empty() {
            self.logged = Some(self.last());
        }
        Ok(Outcome::Committed(self.last()))
    }

    /// What the round wants applied; `None` when no commit was admitted.
    pub(super) fn finish(mut self) -> Option<Applicable> {
        if self.written.is_empty() {
            return None;
        }
        let last = self.last();
        let usage = self.charged.iter().map(|(prefix, bytes)| (prefix, *bytes));
        self.batch
            .0
            .extend(totals(usage, last).map(|(key, value)| (key, Some(value))));
        Some(Applicable {
            batch: self.batch,
            charged: self.charged,
            written: self.written,
            logged: self.logged,
        })
    }

    /// The answer that is kept under the commit's idempotency key.
    fn answer(&self, commit: &Commit) -> io::Result<Option<Bytes>> {
        let Some(Idempotency { key, .. }) = &commit.idempotency else {
            return Ok(None);
        };
        match self.envelope(key)? {
            Some(kept) if kept.expires_ms.is_none_or(|expires_ms| expires_ms > commit.now_ms) => {
                kept.value(key, |chunk| self.raw(chunk)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn conflicts(&mut self, commit: &Commit) -> io::Result<BTreeSet<Key>> {
        let mut conflicts = BTreeSet::new();
        for (key, version) in &commit.reads.keys {
            if self.version(key)? != *version {
                conflicts.insert(key.clone());
            }
        }
        for range in &commit.reads.ranges {
            conflicts.extend(self.recent.changed_in_range(range, commit.since, self.before));
            conflicts.extend(
                self.written
                    .iter()
                    .flat_map(|written| recent::in_range(written, range))
                    .cloned(),
            );
        }
        Ok(conflicts)
    }

    /// The version of a key, 0 where it is absent.
    fn version(&mut self, key: &Key) -> io::Result<Sequence> {
        let written = self.batch.0.contains_key(key);
        if let Some(version) = self.read.get(key).filter(|_| !written) {
            return Ok(*version);
        }
        let version = self.envelope(key)?.map_or(0, |stored| stored.version);
        if !written {
            self.read.insert(key.clone(), version);
        }
        Ok(version)
    }

    fn stage(&self, commit: &Commit) -> io::Result<Staged> {
        let sequence = self.last() + 1;
        let mut writes: BTreeMap<&Key, Option<Put>> = commit.deletes.iter().map(|key| (key, None)).collect();
        writes.extend(commit.puts.iter().map(|(key, put)| (key, Some(put.clone()))));
        if let Some(Idempotency {
            key,
            answer,
            expires_ms,
        }) = &commit.idempotency
        {
            writes.insert(
                key,
                Some(Put {
                    value: answer.clone(),
                    expires_ms: Some(*expires_ms),
                }),
            );
        }
        let mut staged = Staged::default();
        for (key, put) in &writes {
            let stored = self.envelope(key)?;
            if put.is_some() || stored.is_some() {
                staged.write(key, stored.as_ref(), put.as_ref(), sequence);
            }
        }
        if !commit.changed.is_empty() {
            let put = Put {
                value: change_log::encode(&commit.changed),
                expires_ms: None,
            };
            let entry = keyspace::change(sequence);
            staged.put(&entry, &put, sequence);
            // A dump follows the change log as well.
            let place = staged.written.partition_point(|key| *key < entry);
            staged.written.insert(place, entry);
        }
        Ok(staged)
    }

    /// The first quota that the commit would exceed. One that is exceeded already stops only what adds to it.
    fn exceeded(&self, commit: &Commit, staged: &Staged) -> Option<Quota> {
        let over = |quota: &&Quota| {
            let before: u64 = quota.prefixes.iter().map(|prefix| self.used(prefix)).sum();
            let by: i64 = quota
                .prefixes
                .iter()
                .filter_map(|prefix| staged.charges.get(prefix))
                .sum();
            by > 0 && before.saturating_add_signed(by) > quota.limit_bytes
        };
        commit.quotas.iter().find(over).cloned()
    }

    fn used(&self, prefix: &Key) -> u64 {
        self.charged
            .get(prefix)
            .copied()
            .unwrap_or_else(|| self.usage.of(prefix))
    }

    fn add(&mut self, staged: Staged) {
        for (prefix, by) in &staged.charges {
            let used = self.used(prefix).saturating_add_signed(*by);
            self.charged.insert(Key::copy_from_slice(prefix), used);
        }
        self.batch.0.extend(staged.raw);
        self.written.push(staged.written);
    }

    fn raw(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        match self.batch.0.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.backend.get(key),
        }
    }

    fn envelope(&self, key: &Key) -> io::Result<Option<Envelope>> {
        self.raw(key)?.map(|raw| Envelope::open(key, raw)).transpose()
    }
}

/// Why the commit is beyond the engine's limits, if it is.
fn too_large(commit: &Commit) -> Option<String> {
    let mut total = 0;
    let answer = commit.idempotency.iter().map(|kept| (&kept.key, kept.answer.len()));
    let puts = commit.puts.iter().map(|(key, put)| (key, put.value.len()));
    let deletes = commit.deletes.iter().chain(&commit.changed).map(|key| (key, 0));
    for (key, bytes) in puts.chain(deletes).chain(answer) {
        if key.len() > MAX_KEY_BYTES {
            return Some(format!(
                "a key of {} bytes is over the limit of {MAX_KEY_BYTES}",
                key.len()
            ));
        }
        if bytes > MAX_VALUE_BYTES {
            return Some(format!(
                "a value of {bytes} bytes is over the limit of {MAX_VALUE_BYTES}"
            ));
        }
        total += key.len() + bytes;
    }
    (total > MAX_COMMIT_BYTES).then(|| format!("a commit of {total} bytes is over the limit of {MAX_COMMIT_BYTES}"))
}
