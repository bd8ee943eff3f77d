//! For tests: a store that remembers how much was asked of it, and how much at a time, and takes no writes while it is told so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::engine::{
    Change, Checked, Commit, Engine, Health, Key, Outcome, Pause, Reads, Rows, Scan, Seen, Sequence, Unavailable,
    Versioned,
};
use super::memory::{self, Memory};

/// A store in memory.
pub(crate) struct Watched {
    store: Memory,
    /// How often values were asked for so far.
    pub(crate) gets: AtomicUsize,
    /// Commits that are under way.
    commits: AtomicUsize,
    /// The most of them at a time so far.
    pub(crate) most_commits: AtomicUsize,
    /// The most bytes of values that a scan has read so far.
    pub(crate) most_scanned: AtomicUsize,
    /// Whether it takes no writes.
    pub(crate) refuses: AtomicBool,
}

impl Watched {
    /// One that takes writes.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            store: memory::open().unwrap(),
            gets: AtomicUsize::default(),
            commits: AtomicUsize::default(),
            most_commits: AtomicUsize::default(),
            most_scanned: AtomicUsize::default(),
            refuses: AtomicBool::default(),
        })
    }
}

#[async_trait]
impl Engine for Watched {
    async fn get(&self, keys: &[Key]) -> Result<Seen<Vec<Option<Versioned>>>, Unavailable> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.store.get(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Seen<Rows>, Unavailable> {
        let seen = self.store.scan(scan).await?;
        let bytes = seen.data.iter().map(|(_, row)| row.value.len()).sum();
        self.most_scanned.fetch_max(bytes, Ordering::Relaxed);
        Ok(seen)
    }

    async fn changed(&self, reads: &Reads, since: Sequence, until: Sequence) -> Result<BTreeSet<Key>, Unavailable> {
        self.store.changed(reads, since, until).await
    }

    async fn commit(&self, commit: Commit) -> Outcome {
        if self.refuses.load(Ordering::Relaxed) {
            return Outcome::Unavailable("the disk is full".to_owned());
        }
        let commits = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_commits.fetch_max(commits, Ordering::Relaxed);
        // All others go on as far as they are let.
        tokio::task::yield_now().await;
        let outcome = self.store.commit(commit).await;
        self.commits.fetch_sub(1, Ordering::Relaxed);
        outcome
    }

    async fn durable(&self, sequence: Sequence) -> Result<(), Unavailable> {
        self.store.durable(sequence).await
    }

    async fn changes(&self, after: Sequence, limit: usize) -> Result<Vec<Change>, Unavailable> {
        self.store.changes(after, limit).await
    }

    async fn check(&self, from: &Key) -> Result<Checked, Unavailable> {
        self.store.check(from).await
    }

    async fn pause(&self) -> Option<Pause> {
        self.store.pause().await
    }

    fn health(&self) -> Health {
        self.store.health()
    }
}
