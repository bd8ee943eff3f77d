//! Dumping the store: a copy of one state of it, taken while calls go on.
//!
//! Engines have no snapshots, so the copy is made of pages of different states, and what was written behind the dump's back
//! is sent again: after each read the engine says which keys of the part copied so far have changed since the read before.
//! Those are stale, and are read again. Once a single read has covered all keys that were stale, and nothing else has
//! changed until then, the copy is of the state of that read, and the dump ends. A record replaces an earlier one of its
//! key. Nobody waits for a dump but for one page at a time, however slowly it is fetched.
//!
//! Left out is what follows from the rest (`keyspace::is_internal`), and what has expired.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use super::dump_format::{Record, Writer};
use super::engine::{Engine, Key, MAX_SCAN_ROWS, PAGE_BYTES, Range, Reads, Scan, Sequence, Unavailable, Versioned};
use super::keyspace;

/// Blocks that are ready before they are fetched.
const BLOCKS_AHEAD: usize = 4;
/// How often the dump learns what changed while nothing is fetched, so that the engine has not forgotten it by then.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);
/// How many stale keys are read again at once: few, as nobody knows how much they hold now.
const REFRESHED_KEYS: usize = 64;
/// How many stale keys are remembered; with more the dump fails.
const MAX_STALE_KEYS: usize = 1_000_000;
/// How often stale keys are read again at the end; writers who still win then make the dump fail.
const MAX_ROUNDS: usize = 100_000;

/// The bytes of a dump. One that fails ends with an error, and `restore` does not take it.
pub fn dump(engine: Arc<dyn Engine>, now_ms: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let (blocks, fetched) = mpsc::channel(BLOCKS_AHEAD);
    tokio::spawn(async move {
        let (writer, first) = Writer::begin(now_ms);
        let dump = Dump {
            since: engine.health().applied,
            engine,
            blocks: blocks.clone(),
            writer,
            now_ms,
            copied: Range {
                start: Key::new(),
                end: Key::new(),
            },
            stale: BTreeSet::new(),
        };
        if let Err(Stopped::Failed(reason)) = dump.run(first).await {
            tracing::error!(reason, "a dump of the store failed");
            // Whoever has gone away meanwhile does not want to know.
            let _ = blocks.send(Err(io::Error::other(reason))).await;
        }
    });
    stream::unfold(
        fetched,
        |mut fetched| async move { Some((fetched.recv().await?, fetched)) },
    )
}

/// A dump under way.
struct Dump {
    engine: Arc<dyn Engine>,
    blocks: mpsc::Sender<io::Result<Bytes>>,
    writer: Writer,
    now_ms: u64,
    /// What is copied: but for the stale keys, as it was at `since`.
    copied: Range,
    since: Sequence,
    stale: BTreeSet<Key>,
}

/// Why a dump did not come to its end.
enum Stopped {
    /// Nobody fetches it any more.
    Abandoned,
    /// The reason, for the log and for whoever fetches it.
    Failed(String),
}

impl From<Unavailable> for Stopped {
    fn from(unavailable: Unavailable) -> Self {
        Self::Failed(unavailable.to_string())
    }
}

impl Dump {
    async fn run(mut self, first: Bytes) -> Result<(), Stopped> {
        self.send(first).await?;
        for range in keyspace::logical() {
            self.copy(range).await?;
        }
        self.copied = keyspace::everything();
        let sequence = self.settle().await?;
        self.engine.durable(sequence).await?;
        let last = self.writer.finish(sequence);
        self.send(last).await
    }

    /// Copies a range, page by page.
    async fn copy(&mut self, range: Range) -> Result<(), Stopped> {
        let mut scan = Scan {
            max_bytes: PAGE_BYTES,
            ..Scan::first(range, MAX_SCAN_ROWS)
        };
        loop {
            let page = self.engine.scan(&scan).await?;
            self.follow(page.applied).await?;
            scan.after = page.data.last().map(|(key, _)| key.clone());
            self.copied.end = scan.after.as_ref().map_or(scan.range.end.clone(), keyspace::successor);
            for (key, stored) in page.data {
                if self.lives(&stored) {
                    self.record(key, Some(stored)).await?;
                }
            }
            // As many as there are now; what is written meanwhile waits for the next page.
            for _ in 0..self.stale.len().div_ceil(REFRESHED_KEYS) {
                self.refresh().await?;
            }
            if scan.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads stale keys again until there are none; gives the state that the copy is of then.
    async fn settle(&mut self) -> Result<Sequence, Stopped> {
        for _ in 0..MAX_ROUNDS {
            if self.stale.is_empty() {
                return Ok(self.since);
            }
            self.refresh().await?;
        }
        Err(too_busy())
    }

    async fn refresh(&mut self) -> Result<(), Stopped> {
        let keys: Vec<Key> = self.stale.iter().take(REFRESHED_KEYS).cloned().collect();
        let seen = self.engine.get(&keys).await?;
        self.follow(seen.applied).await?;
        // All of them were read at what is `since` now; what is sent below may take a while, and they be stale again.
        for key in &keys {
            self.stale.remove(key);
        }
        for (key, stored) in keys.into_iter().zip(seen.data) {
            let stored = stored.filter(|stored| self.lives(stored));
            self.record(key, stored).await?;
        }
        Ok(())
    }

    /// Learns which keys of the copy the commits after `since` up to `until` have made stale.
    async fn follow(&mut self, until: Sequence) -> Result<(), Stopped> {
        if until <= self.since {
            return Ok(());
        }
        let reads = Reads {
            keys: Vec::new(),
            ranges: vec![self.copied.clone()],
        };
        let changed = self.engine.changed(&reads, self.since, until).await?;
        // The engine names the start of the range, which is no key, when it no longer remembers.
        if changed.contains(&self.copied.start) {
            return Err(too_busy());
        }
        self.stale
            .extend(changed.into_iter().filter(|key| !keyspace::is_internal(key)));
        self.since = until;
        if self.stale.len() > MAX_STALE_KEYS {
            return Err(too_busy());
        }
        Ok(())
    }

    fn lives(&self, stored: &Versioned) -> bool {
        stored.expires_ms.is_none_or(|expires_ms| expires_ms > self.now_ms)
    }

    async fn record(&mut self, key: Key, stored: Option<Versioned>) -> Result<(), Stopped> {
        match self.writer.push(&Record { key, stored }) {
            Some(block) => self.send(block).await,
            None => Ok(()),
        }
    }

    /// Waits for a place for the block, and follows what is written meanwhile.
    async fn send(&mut self, block: Bytes) -> Result<(), Stopped> {
        let blocks = self.blocks.clone();
        loop {
            match tokio::time::timeout(FOLLOW_EVERY, blocks.reserve()).await {
                Ok(Ok(place)) => {
                    place.send(Ok(block));
                    return Ok(());
                }
                Ok(Err(_)) => return Err(Stopped::Abandoned),
                Err(_elapsed) => self.follow(self.engine.health().applied).await?,
            }
        }
    }
}

fn too_busy() -> Stopped {
    Stopped::Failed("more is written than a dump can follow: try again when there is less to do".to_owned())
}

#[cfg(test)]
#[path = "dump_tests.rs"]
mod tests;
