//! What a local engine is built on: an ordered map of bytes that can apply a batch and sync it.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;

use crate::storage::engine::{Direction, Key, Range};

/// The writes of one round of the committer: the value of a key, or `None` where it is removed.
#[derive(Debug, Default)]
pub struct Batch(pub BTreeMap<Key, Option<Bytes>>);

/// An ordered map of bytes. `Local` calls `apply` and `sync` from one thread only, and never `apply` while a read is
/// under way, so that a backend needs no isolation of its own.
pub trait Backend: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Shows the rows of a range to `visit`, in the given direction, until it breaks.
    fn scan(
        &self,
        range: &Range,
        direction: Direction,
        visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
    ) -> io::Result<()>;

    /// Applies a batch. After a power cut all of it is there, or nothing of it.
    fn apply(&self, batch: &Batch) -> io::Result<()>;

    /// Returns when everything applied so far survives a power cut.
    fn sync(&self) -> io::Result<()>;
}
