//! How many bytes the keys under each counted prefix take; quotas are checked against this.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;

use super::backend::Backend;
use crate::storage::engine::{Direction, Key};
use crate::storage::keyspace;

/// The counters, as of the last applied commit.
#[derive(Debug, Default)]
pub(super) struct Usage(HashMap<Key, u64>);

impl Usage {
    /// Reads the counters of a store.
    pub(super) fn load(backend: &impl Backend) -> io::Result<Self> {
        let mut counters = HashMap::new();
        let mut failure = None;
        backend.scan(
            &keyspace::usages(),
            Direction::Forward,
            &mut |key, raw| match counter(&key, raw) {
                Ok((prefix, bytes)) => {
                    counters.insert(prefix, bytes);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        failure.map_or(Ok(Self(counters)), Err)
    }

    /// The bytes under a prefix.
    pub(super) fn of(&self, prefix: &Key) -> u64 {
        self.0.get(prefix).copied().unwrap_or(0)
    }

    /// Takes over what a round has changed.
    pub(super) fn update(&mut self, charged: HashMap<Key, u64>) {
        self.0.extend(charged);
    }
}

fn counter(key: &Key, raw: bytes::Bytes) -> io::Result<(Key, u64)> {
    keyspace::usage_prefix(key)
        .zip(super::open_number(key, raw))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a usage counter is damaged"))
}
