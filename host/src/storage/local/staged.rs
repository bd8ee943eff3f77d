//! The raw writes that a value takes in a backend: its envelope, its chunks, its entry in the expiry index.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::envelope::{self, Envelope};
use super::recent::Written;
use crate::storage::engine::{Key, Put, Sequence};
use crate::storage::keyspace;

/// The raw writes of one commit, or of a load; what they change for the quotas is not yet decided on.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) raw: Vec<(Key, Option<Bytes>)>,
    pub(super) written: Written,
    pub(super) charges: BTreeMap<Key, i64>,
    ordinal: u32,
}

impl Staged {
    /// Replaces `stored` with `put` under `key`, and all that belongs to it.
    pub(super) fn write(&mut self, key: &Key, stored: Option<&Envelope>, put: Option<&Put>, sequence: Sequence) {
        if let Some(stored) = stored {
            self.raw.extend(stored.chunk_keys().map(|chunk| (chunk, None)));
            if let Some(expires_ms) = stored.expires_ms {
                self.raw.push((keyspace::expiry(expires_ms, key), None));
            }
        }
        match put {
            None => self.raw.push((key.clone(), None)),
            Some(put) => {
                self.put(key, put, sequence);
                if let Some(expires_ms) = put.expires_ms {
                    let entry = keyspace::expiry(expires_ms, key);
                    let value = small(&entry, &[], sequence);
                    self.raw.push((entry, Some(value)));
                }
            }
        }
        if let Some(prefix) = keyspace::charged(key) {
            let weight = |bytes: Option<usize>| bytes.map_or(0, |bytes| (key.len() + bytes) as i64);
            *self.charges.entry(prefix).or_default() +=
                weight(put.map(|put| put.value.len())) - weight(stored.map(Envelope::value_bytes));
        }
        self.written.push(key.clone());
    }

    pub(super) fn put(&mut self, key: &Key, put: &Put, sequence: Sequence) {
        let raw = &mut self.raw;
        let value = envelope::seal(key, put, sequence, self.ordinal, |key, chunk| {
            raw.push((key, Some(chunk)));
        });
        self.ordinal += 1;
        raw.push((key.clone(), Some(value)));
    }
}

/// What the engine keeps beside the records: the usage counters, and the sequence of the last commit.
pub(super) fn totals<'a>(
    usage: impl Iterator<Item = (&'a Key, u64)>,
    last: Sequence,
) -> impl Iterator<Item = (Key, Bytes)> {
    let counters = usage.map(|(prefix, bytes)| (keyspace::usage(prefix), bytes));
    let sequence = (keyspace::meta(super::SEQUENCE), last);
    counters.chain([sequence]).map(move |(key, number)| {
        let value = small(&key, &number.to_be_bytes(), last);
        (key, value)
    })
}

/// A small value of the engine's own in its envelope.
pub(super) fn small(key: &[u8], value: &[u8], version: Sequence) -> Bytes {
    let put = Put {
        value: Bytes::copy_from_slice(value),
        expires_ms: None,
    };
    envelope::seal(key, &put, version, 0, |_, _| {})
}
