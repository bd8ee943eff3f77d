//! What an engine is measured against: the same rules, said plainly over maps in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{
    Change, Commit, Direction, Key, MAX_COMMIT_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, Outcome, Quota, Range, Reads,
    Rows, Scan, Sequence, Versioned,
};
use super::keyspace;

/// A store as it should be.
#[derive(Debug, Default)]
pub(super) struct Model {
    rows: BTreeMap<Key, Versioned>,
    /// What each commit wrote, and which version each key had after it; the first commit is 1.
    history: Vec<Past>,
    /// Up to this commit an engine need not know any more who wrote what.
    forgotten: Sequence,
    log: Vec<Change>,
}

#[derive(Debug)]
struct Past {
    written: BTreeSet<Key>,
    versions: BTreeMap<Key, Sequence>,
}

impl Model {
    pub(super) fn applied(&self) -> Sequence {
        self.history.len() as Sequence
    }

    /// The store was closed and opened: all is there, but for the memory of who wrote what.
    pub(super) fn reopen(&mut self) {
        self.forgotten = self.applied();
    }

    /// Whether an engine still knows who wrote what after `since`.
    pub(super) fn remembers(&self, since: Sequence) -> bool {
        since >= self.forgotten
    }

    pub(super) fn get(&self, key: &Key) -> Option<Versioned> {
        self.rows.get(key).cloned()
    }

    /// The version that the key had after the commit `at`; 0 where it was absent.
    pub(super) fn version_at(&self, key: &Key, at: Sequence) -> Sequence {
        let past = (at as usize).checked_sub(1).and_then(|index| self.history.get(index));
        past.and_then(|past| past.versions.get(key)).copied().unwrap_or(0)
    }

    pub(super) fn scan(&self, scan: &Scan) -> Rows {
        let in_page = |key: &&Key| {
            let Range { start, end } = &scan.range;
            let behind = scan.after.as_ref().is_none_or(|after| match scan.direction {
                Direction::Forward => *key > after,
                Direction::Backward => *key < after,
            });
            *key >= start && *key < end && behind
        };
        let mut keys: Vec<&Key> = self.rows.keys().filter(in_page).collect();
        if scan.direction == Direction::Backward {
            keys.reverse();
        }
        keys.truncate(scan.limit);
        let mut bytes = 0;
        let page = keys.into_iter().take_while(|key| {
            let has_room = scan.keys_only || bytes < scan.max_bytes;
            bytes += self.rows[*key].value.len();
            has_room
        });
        page.map(|key| (key.clone(), self.rows[key].clone())).collect()
    }

    pub(super) fn changed(&self, reads: &Reads, since: Sequence, until: Sequence) -> BTreeSet<Key> {
        let changed_key = |(key, version): &(Key, Sequence)| {
            let changed = if !self.remembers(since) {
                self.rows.get(key).map_or(0, |row| row.version) != *version
            } else {
                self.written(since, until).any(|written| written == key)
            };
            changed.then(|| key.clone())
        };
        let mut changed: BTreeSet<Key> = reads.keys.iter().filter_map(changed_key).collect();
        for range in &reads.ranges {
            changed.extend(self.changed_in_range(range, since, until));
        }
        changed
    }

    pub(super) fn changes(&self, after: Sequence, limit: usize) -> Vec<Change> {
        let later = self.log.iter().filter(|change| change.sequence > after);
        later.take(limit).cloned().collect()
    }

    pub(super) fn commit(&mut self, commit: &Commit) -> Outcome {
        if is_too_large(commit) {
            return Outcome::TooLarge(String::new());
        }
        if let Some(kept) = commit.idempotency.as_ref().and_then(|kept| self.rows.get(&kept.key))
            && kept.expires_ms.is_none_or(|expires_ms| expires_ms > commit.now_ms)
        {
            return Outcome::Duplicate(kept.value.clone());
        }
        let conflicts = self.conflicts(commit);
        if !conflicts.is_empty() {
            return Outcome::Conflict(conflicts);
        }
        let (rows, written) = self.after(commit);
        let exceeds = |quota: &&Quota| {
            let (before, after) = (used(&self.rows, quota), used(&rows, quota));
            after > before && after > quota.limit_bytes
        };
        if let Some(quota) = commit.quotas.iter().find(exceeds) {
            return Outcome::Full(quota.clone());
        }
        let versions = rows.iter().map(|(key, row)| (key.clone(), row.version)).collect();
        self.rows = rows;
        self.history.push(Past { written, versions });
        let sequence = self.applied();
        if !commit.changed.is_empty() {
            let keys = commit.changed.clone();
            self.log.push(Change { sequence, keys });
        }
        Outcome::Committed(sequence)
    }

    fn conflicts(&self, commit: &Commit) -> BTreeSet<Key> {
        let stale = |(key, version): &&(Key, Sequence)| self.rows.get(key).map_or(0, |row| row.version) != *version;
        let keys = commit.reads.keys.iter().filter(stale).map(|(key, _)| key.clone());
        let mut conflicts: BTreeSet<Key> = keys.collect();
        for range in &commit.reads.ranges {
            conflicts.extend(self.changed_in_range(range, commit.since, self.applied()));
        }
        conflicts
    }

    /// The rows after the commit, and the keys that it wrote or removed.
    fn after(&self, commit: &Commit) -> (BTreeMap<Key, Versioned>, BTreeSet<Key>) {
        let mut rows = self.rows.clone();
        let mut written = BTreeSet::new();
        let version = self.applied() + 1;
        for key in &commit.deletes {
            if rows.remove(key).is_some() {
                written.insert(key.clone());
            }
        }
        let puts = commit.puts.iter().map(|(key, put)| (key, &put.value, put.expires_ms));
        let kept = commit.idempotency.iter();
        let answer = kept.map(|kept| (&kept.key, &kept.answer, Some(kept.expires_ms)));
        for (key, value, expires_ms) in puts.chain(answer) {
            written.insert(key.clone());
            let value = value.clone();
            rows.insert(
                key.clone(),
                Versioned {
                    version,
                    expires_ms,
                    value,
                },
            );
        }
        (rows, written)
    }

    fn written(&self, since: Sequence, until: Sequence) -> impl Iterator<Item = &Key> {
        let commits = &self.history[since as usize..until as usize];
        commits.iter().flat_map(|past| &past.written)
    }

    fn changed_in_range(&self, range: &Range, since: Sequence, until: Sequence) -> BTreeSet<Key> {
        if !self.remembers(since) {
            return BTreeSet::from([range.start.clone()]);
        }
        let inside = |key: &&Key| **key >= range.start && **key < range.end;
        self.written(since, until).filter(inside).cloned().collect()
    }
}

/// The bytes that count against a quota.
fn used(rows: &BTreeMap<Key, Versioned>, quota: &Quota) -> u64 {
    let counts = |key: &Key| keyspace::charged(key).is_some_and(|prefix| quota.prefixes.contains(&prefix));
    let counted = rows.iter().filter(|(key, _)| counts(key));
    counted.map(|(key, row)| (key.len() + row.value.len()) as u64).sum()
}

fn is_too_large(commit: &Commit) -> bool {
    let puts = commit.puts.iter().map(|(key, put)| (key.len(), put.value.len()));
    let kept = commit.idempotency.iter();
    let answer = kept.map(|kept| (kept.key.len(), kept.answer.len()));
    let others = commit.deletes.iter().chain(&commit.changed).map(|key| (key.len(), 0));
    let sizes: Vec<_> = puts.chain(answer).chain(others).collect();
    let total: usize = sizes.iter().map(|(key, value)| key + value).sum();
    let beyond = |&(key, value): &(usize, usize)| key > MAX_KEY_BYTES || value > MAX_VALUE_BYTES;
    sizes.iter().any(beyond) || total > MAX_COMMIT_BYTES
}
