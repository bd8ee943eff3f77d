//! The change log: which documents each commit changed, kept until every registered consumer has seen it.
//!
//! A consumer registers under a name and starts at the present. It asks `Engine::changes` for what came after its
//! position, does its work, and acknowledges; after a restart it goes on where it left off, and may see again what it had
//! not acknowledged. Entries that every consumer has acknowledged are trimmed by a worker.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::engine::{
    Change, Commit, Engine, Key, MAX_SCAN_ROWS, Put, Range, Reads, Rows, Scan, Seen, Sequence, Unavailable,
};
use super::keyspace;

/// The most consumers of one store.
pub const MAX_CONSUMERS: usize = 100;

/// The most entries that `trim` removes at a time: readers wait while a commit is applied.
pub const TRIMMED_AT_A_TIME: usize = 256;

/// While nobody is registered, the entries of this many commits are kept, for whoever looks into them by hand.
const TAIL: Sequence = 10_000;

/// Why a consumer can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// It has not registered, so that entries may be missing: it is to register, and to start anew.
    #[error("`{0}` is not a registered consumer of the change log")]
    NotRegistered(String),
    /// There are `MAX_CONSUMERS` already.
    #[error("the change log has {MAX_CONSUMERS} consumers, which is the most: unregister one")]
    TooMany,
    /// The store.
    #[error(transparent)]
    Store(#[from] Unavailable),
}

/// Registers a consumer, and says after which commit it goes on: where it has acknowledged, or at the present if it is new.
pub async fn register(engine: &Arc<dyn Engine>, name: &str, now_ms: u64) -> Result<Sequence, ConsumerError> {
    loop {
        let seen = consumers(engine).await?;
        if let Some(position) = position(&seen.data, name)? {
            return Ok(position);
        }
        if seen.data.len() >= MAX_CONSUMERS {
            return Err(ConsumerError::TooMany);
        }
        let start = seen.applied;
        let commit = Commit {
            puts: vec![moved_to(name, start)],
            ..unless_moved(start, now_ms)
        };
        if engine.commit(commit).await.housekeeping()? {
            return Ok(start);
        }
    }
}

/// Records that a consumer is done with everything up to `sequence`. A position never goes back, nor beyond the present.
pub async fn acknowledge(
    engine: &Arc<dyn Engine>,
    name: &str,
    sequence: Sequence,
    now_ms: u64,
) -> Result<(), ConsumerError> {
    loop {
        let seen = consumers(engine).await?;
        let before = position(&seen.data, name)?.ok_or_else(|| ConsumerError::NotRegistered(name.to_owned()))?;
        let sequence = sequence.min(seen.applied);
        if sequence <= before {
            return Ok(());
        }
        let commit = Commit {
            puts: vec![moved_to(name, sequence)],
            ..unless_moved(seen.applied, now_ms)
        };
        if engine.commit(commit).await.housekeeping()? {
            return Ok(());
        }
    }
}

/// Forgets a consumer, so that the log no longer waits for it.
pub async fn unregister(engine: &Arc<dyn Engine>, name: &str, now_ms: u64) -> Result<(), Unavailable> {
    let commit = Commit {
        deletes: vec![keyspace::consumer(name)],
        now_ms,
        ..Commit::default()
    };
    engine.commit(commit).await.housekeeping().map(|_| ())
}

/// Removes up to `TRIMMED_AT_A_TIME` entries that every consumer has acknowledged, and says how many went.
///
/// Nothing needs to be checked by the commit: positions only move on, and a consumer that registers meanwhile starts behind
/// everything that is removed.
pub async fn trim(engine: &Arc<dyn Engine>, now_ms: u64) -> Result<usize, Unavailable> {
    let seen = consumers(engine).await?;
    let positions: Result<Vec<Sequence>, Unavailable> = seen
        .data
        .iter()
        .map(|(key, stored)| decode_position(key, &stored.value))
        .collect();
    let until = positions?
        .into_iter()
        .min()
        .unwrap_or_else(|| seen.applied.saturating_sub(TAIL));
    let range = keyspace::changes(0, until);
    let entries = engine.scan(&Scan::keys(range, TRIMMED_AT_A_TIME)).await?.data;
    let deletes: Vec<Key> = entries.into_iter().map(|(key, _)| key).collect();
    let removed = deletes.len();
    if removed == 0 {
        return Ok(0);
    }
    let commit = Commit {
        deletes,
        now_ms,
        ..Commit::default()
    };
    Ok(if engine.commit(commit).await.housekeeping()? {
        removed
    } else {
        0
    })
}

/// All consumers: there are at most `MAX_CONSUMERS`, which fit in a page.
async fn consumers(engine: &Arc<dyn Engine>) -> Result<Seen<Rows>, Unavailable> {
    engine.scan(&Scan::first(keyspace::consumers(), MAX_SCAN_ROWS)).await
}

/// A commit that fails where a consumer has come, gone or moved since.
fn unless_moved(since: Sequence, now_ms: u64) -> Commit {
    let ranges: Vec<Range> = vec![keyspace::consumers()];
    Commit {
        reads: Reads {
            keys: Vec::new(),
            ranges,
        },
        since,
        now_ms,
        ..Commit::default()
    }
}

fn moved_to(name: &str, position: Sequence) -> (Key, Put) {
    let put = Put {
        value: Bytes::copy_from_slice(&position.to_be_bytes()),
        expires_ms: None,
    };
    (keyspace::consumer(name), put)
}

fn position(consumers: &Rows, name: &str) -> Result<Option<Sequence>, Unavailable> {
    let key = keyspace::consumer(name);
    let row = consumers.iter().find(|(candidate, _)| *candidate == key);
    row.map(|(key, stored)| decode_position(key, &stored.value)).transpose()
}

fn decode_position(key: &Key, value: &Bytes) -> Result<Sequence, Unavailable> {
    let position = value.as_ref().try_into().map(Sequence::from_be_bytes);
    position.map_err(|_| Unavailable(format!("the position under \"{}\" is damaged", key.escape_ascii())))
}

/// The keys of one entry, as bytes.
pub(super) fn encode(keys: &[Key]) -> Bytes {
    let mut encoded = BytesMut::with_capacity(keys.iter().map(|key| key.len() + 4).sum());
    for key in keys {
        // A key is at most `MAX_KEY_BYTES` long.
        encoded.put_u32(key.len() as u32);
        encoded.put_slice(key);
    }
    encoded.freeze()
}

/// The entry that lies under `key`.
pub(super) fn entry(key: &Key, encoded: Bytes) -> io::Result<Change> {
    let damaged = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the key of an entry of the change log is damaged",
        )
    };
    Ok(Change {
        sequence: keyspace::change_sequence(key).ok_or_else(damaged)?,
        keys: decode(encoded)?,
    })
}

fn decode(mut encoded: Bytes) -> io::Result<Vec<Key>> {
    let short = || io::Error::new(io::ErrorKind::InvalidData, "an entry of the change log is damaged");
    let mut keys = Vec::new();
    while encoded.has_remaining() {
        let length = encoded.try_get_u32().map_err(|_| short())? as usize;
        if encoded.remaining() < length {
            return Err(short());
        }
        keys.push(encoded.split_to(length));
    }
    Ok(keys)
}

#[cfg(test)]
#[path = "change_log_tests.rs"]
mod tests;
