//! The seam behind which a store lives: declarative, never closures, so that a database server fits as well as sled does.

use std::any::Any;
use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::keyspace;

/// A key of the store; formed only in `keyspace`.
pub type Key = Bytes;

/// The position of a commit in the store's history; 0 is before the first one.
pub type Sequence = u64;

/// A value with the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The sequence of the commit that wrote the value.
    pub version: Sequence,
    /// Milliseconds since the Unix epoch from which the value counts as absent.
    pub expires_ms: Option<u64>,
    /// The value as it was put.
    pub value: Bytes,
}

/// What a read saw, and when.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// The last commit applied when the read was made; all of the read saw exactly this state.
    pub applied: Sequence,
    /// What was read.
    pub data: T,
}

/// The keys from `start` (included) to `end` (excluded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first key of the range.
    pub start: Key,
    /// The first key after the range.
    pub end: Key,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// The largest number of rows that one scan returns.
pub const MAX_SCAN_ROWS: usize = 1_000;

/// About how many bytes of values are read at a time by whoever goes through much of a store (`Scan::max_bytes`).
pub const PAGE_BYTES: usize = 2 * 1_024 * 1_024;

/// The longest key; a commit with a longer one is refused.
pub const MAX_KEY_BYTES: usize = 2_048;

/// The largest value; a commit with a larger one is refused.
pub const MAX_VALUE_BYTES: usize = 16 * 1_024 * 1_024;

/// The most that the keys and values of one commit may take; a larger commit is refused.
pub const MAX_COMMIT_BYTES: usize = 64 * 1_024 * 1_024;

/// One page of a range.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Where to look.
    pub range: Range,
    /// Go on behind this key, in the scan's direction.
    pub after: Option<Key>,
    /// At most this many rows; never more than `MAX_SCAN_ROWS`.
    pub limit: usize,
    /// The page ends with the row that brings its values to this many bytes. Where it is bounded so, fewer rows than `limit`
    /// do not mean that there are no others: the end is an empty page.
    pub max_bytes: usize,
    /// Which way to go.
    pub direction: Direction,
    /// Only the keys matter: the rows may come without their values, so that large ones need not be read.
    pub keys_only: bool,
}

impl Scan {
    /// The first page of a range.
    pub fn first(range: Range, limit: usize) -> Self {
        Self {
            range,
            after: None,
            limit,
            max_bytes: usize::MAX,
            direction: Direction::Forward,
            keys_only: false,
        }
    }

    /// Like `first`, where only the keys matter.
    pub fn keys(range: Range, limit: usize) -> Self {
        Self {
            keys_only: true,
            ..Self::first(range, limit)
        }
    }

    /// What is left of the range behind `after`.
    pub fn remaining(&self) -> Range {
        let Range { start, end } = self.range.clone();
        match (&self.after, self.direction) {
            (None, _) => Range { start, end },
            (Some(after), Direction::Forward) => Range {
                start: start.max(keyspace::successor(after)),
                end,
            },
            (Some(after), Direction::Backward) => Range {
                start,
                end: end.min(after.clone()),
            },
        }
    }
}

/// The rows of a scan, in its direction.
pub type Rows = Vec<(Key, Versioned)>;

/// What a call has read: the keys with the versions that it saw (0 for an absent key), and the ranges.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    /// Keys and the versions that were seen.
    pub keys: Vec<(Key, Sequence)>,
    /// Ranges that were scanned.
    pub ranges: Vec<Range>,
}

/// A value to be put.
#[derive(Clone, Debug)]
pub struct Put {
    /// The value.
    pub value: Bytes,
    /// Milliseconds since the Unix epoch from which the value counts as absent.
    pub expires_ms: Option<u64>,
}

/// A limit on the bytes that the keys under some prefixes may hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Who is limited: a plugin's name.
    pub namespace: String,
    /// What counts: the prefixes that `keyspace::charged` names; see `keyspace::quota`.
    pub prefixes: Vec<Key>,
    /// The most bytes that the keys and values may take.
    pub limit_bytes: u64,
}

/// The answer to be kept under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Where the answer is kept.
    pub key: Key,
    /// The answer, opaque to the store.
    pub answer: Bytes,
    /// Milliseconds since the Unix epoch after which it is forgotten.
    pub expires_ms: u64,
}

/// All that one call wants done, or not done at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// What was read, as it was at `since`.
    pub reads: Reads,
    /// The state that `reads` was last known to hold in.
    pub since: Sequence,
    /// What to write.
    pub puts: Vec<(Key, Put)>,
    /// What to remove.
    pub deletes: Vec<Key>,
    /// What the change log records: keys of documents, never bodies.
    pub changed: Vec<Key>,
    /// The limits that the writes count against.
    pub quotas: Vec<Quota>,
    /// The answer to keep, so that a repeated request is answered alike.
    pub idempotency: Option<Idempotency>,
    /// The time of the commit, milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied and durable under this sequence.
    Committed(Sequence),
    /// The idempotency key holds this answer already; nothing was written.
    Duplicate(Bytes),
    /// These keys, or keys of the ranges, have changed since they were read; nothing was written.
    Conflict(BTreeSet<Key>),
    /// The namespace is at its limit; nothing was written.
    Full(Quota),
    /// The commit breaks one of the engine's own limits; callers check theirs, which are tighter.
    TooLarge(String),
    /// The store takes no writes: the reason is for the log.
    Unavailable(String),
    /// The commit may or may not survive: an I/O error struck between applying and syncing.
    Unknown(String),
}

impl Outcome {
    /// Whether work of the store's own was committed; `false` where something changed meanwhile, so that it is to be
    /// tried again. Such work has neither quotas nor an idempotency key.
    pub(super) fn housekeeping(self) -> Result<bool, Unavailable> {
        match self {
            Self::Committed(_) => Ok(true),
            Self::Conflict(_) | Self::Duplicate(_) | Self::Full(_) => Ok(false),
            Self::TooLarge(reason) | Self::Unavailable(reason) | Self::Unknown(reason) => Err(Unavailable(reason)),
        }
    }
}

/// The store could not be read: the reason is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct Unavailable(pub String);

/// One entry of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The commit.
    pub sequence: Sequence,
    /// The keys that it changed.
    pub keys: Vec<Key>,
}

/// What a check of one page of the store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The records that were looked at, without what the engine derives from them.
    pub records: u64,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<Key>,
}

/// While it lives, nothing new is applied, for at most [`MAX_PAUSE`].
#[must_use = "the pause ends once this is dropped"]
pub struct Pause(#[expect(dead_code, reason = "what ends the pause when it is dropped")] Box<dyn Any + Send + Sync>);

impl Pause {
    /// A pause that ends when `end` is dropped.
    pub fn until_dropped(end: impl Any + Send + Sync) -> Self {
        Self(Box::new(end))
    }
}

/// The longest pause.
pub const MAX_PAUSE: Duration = Duration::from_millis(250);

/// How the store is doing.
#[derive(Clone, Debug)]
pub struct Health {
    /// The last commit applied.
    pub applied: Sequence,
    /// The last commit that survives a power cut.
    pub durable: Sequence,
    /// Set once an I/O error has made the store read-only.
    pub read_only: Option<String>,
}

/// A store. Every method may be called from any thread at any time; `get` and `scan` answer without waiting for I/O
/// other than a page read, so that they may run inline on an async worker.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The values of `keys`, in their order, all of one state.
    async fn get(&self, keys: &[Key]) -> Result<Seen<Vec<Option<Versioned>>>, Unavailable>;
    /// One page of a range, all of one state.
    async fn scan(&self, scan: &Scan) -> Result<Seen<Rows>, Unavailable>;
    /// Which of `reads` were written by the commits after `since` up to `until`; empty when none was.
    /// Where the engine no longer remembers `since`, all of them count as changed.
    async fn changed(&self, reads: &Reads, since: Sequence, until: Sequence) -> Result<BTreeSet<Key>, Unavailable>;
    /// Checks, applies, syncs: all of the commit or nothing of it. Returns when the commit is durable.
    async fn commit(&self, commit: Commit) -> Outcome;
    /// Returns when every commit up to `sequence` is durable.
    async fn durable(&self, sequence: Sequence) -> Result<(), Unavailable>;
    /// Up to `limit` durable entries of the change log after `after`; waits while there is none.
    async fn changes(&self, after: Sequence, limit: usize) -> Result<Vec<Change>, Unavailable>;
    /// Checks one page of all that the engine keeps, from the key `from` on: that values are readable and whole, and that
    /// what the engine derives from them agrees with them.
    async fn check(&self, from: &Key) -> Result<Checked, Unavailable>;
    /// Pauses the commits, so that a call that only reads can finish where it was overtaken again and again. Pauses come
    /// one at a time and in turn with the commits. `None` where the store is closed, or can do without.
    async fn pause(&self) -> Option<Pause>;
    /// How the store is doing.
    fn health(&self) -> Health;
}
