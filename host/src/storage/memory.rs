//! The engine that keeps everything in memory, for tests and for `--data memory`.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use bytes::Bytes;
use parking_lot::RwLock;

use super::engine::{Direction, Key, Range};
use super::local::{Backend, Batch, Local};

/// The engine in memory: nothing survives it, so everything applied counts as durable.
pub type Memory = Local<MemoryBackend>;

/// A map in memory.
#[derive(Debug, Default)]
pub struct MemoryBackend(RwLock<BTreeMap<Key, Bytes>>);

/// Opens an empty store.
pub fn open() -> io::Result<Memory> {
    Local::open(MemoryBackend::default())
}

impl Backend for MemoryBackend {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(
        &self,
        range: &Range,
        direction: Direction,
        visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
    ) -> io::Result<()> {
        if range.start >= range.end {
            return Ok(());
        }
        let map = self.0.read();
        let mut rows = map.range(range.start.clone()..range.end.clone());
        let mut next = || match direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.next_back(),
        };
        while let Some((key, value)) = next() {
            if visit(key.clone(), value.clone()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: &Batch) -> io::Result<()> {
        let mut map = self.0.write();
        for (key, value) in &batch.0 {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
