//! The change log: which documents each commit changed, kept until every registered consumer has seen it.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::engine::{Change, Key};
use super::keyspace;

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
