//! How a value lies in a backend: a versioned, checksummed envelope, and chunks where it is large.
//!
//! Small values lie inside the envelope:
//!
//! ```text
//! format (1) | flags (1) | checksum (4) | version (8) | [expires (8)] | value
//! ```
//!
//! Large ones lie in chunks of their own, and the envelope says which:
//!
//! ```text
//! format (1) | flags (1) | checksum (4) | version (8) | [expires (8)] | ordinal (4) | length (4) | checksum (4)
//! ```
//!
//! The checksum (CRC-32) covers the key as well, so that a value under a wrong key is found out. Numbers are big-endian.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::storage::engine::{Key, MAX_VALUE_BYTES, Put, Sequence, Versioned};
use crate::storage::keyspace;

/// The largest value that lies in its envelope, and the size of a chunk. sled keeps up to 17 rows in a page, and writes
/// a page of more than about 128 KiB to a file that it never syncs.
pub(super) const CHUNK_BYTES: usize = 4 * 1_024;

const FORMAT: u8 = 1;
const EXPIRES: u8 = 1;
const CHUNKED: u8 = 2;
const HEADER_BYTES: usize = 6;

/// An envelope, opened.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) version: Sequence,
    pub(super) expires_ms: Option<u64>,
    pub(super) body: Body,
}

/// Where the value is.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Inline(Bytes),
    Chunked(Chunked),
}

/// A value that lies in chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    ordinal: u32,
    length: u32,
    checksum: u32,
}

pub(super) fn damaged(key: &[u8], what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the value under \"{}\" is damaged: {what}", key.escape_ascii()),
    )
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}

impl Envelope {
    /// Opens the envelope of the value under `key`, and checks it.
    pub(super) fn open(key: &[u8], mut raw: Bytes) -> io::Result<Self> {
        if raw.len() < HEADER_BYTES + size_of::<Sequence>() {
            return Err(damaged(key, "it is too short"));
        }
        let (format, flags, expected) = (raw.get_u8(), raw.get_u8(), raw.get_u32());
        if format != FORMAT || flags & !(EXPIRES | CHUNKED) != 0 {
            return Err(damaged(key, "its format is unknown"));
        }
        if checksum(key, &raw) != expected {
            return Err(damaged(key, "its checksum does not match"));
        }
        let version = raw.get_u64();
        let short = |_| damaged(key, "it is too short");
        let expires_ms = if flags & EXPIRES != 0 {
            Some(raw.try_get_u64().map_err(short)?)
        } else {
            None
        };
        let body = if flags & CHUNKED == 0 {
            Body::Inline(raw)
        } else {
            let ordinal = raw.try_get_u32().map_err(short)?;
            let length = raw.try_get_u32().map_err(short)?;
            Body::Chunked(Chunked {
                ordinal,
                length,
                checksum: raw.try_get_u32().map_err(short)?,
            })
        };
        Ok(Self {
            version,
            expires_ms,
            body,
        })
    }

    /// The bytes that the value takes, wherever it lies.
    pub(super) fn value_bytes(&self) -> usize {
        match &self.body {
            Body::Inline(value) => value.len(),
            Body::Chunked(chunked) => chunked.length as usize,
        }
    }

    /// The keys of the chunks, if there are any.
    pub(super) fn chunk_keys(&self) -> impl Iterator<Item = Key> + use<> {
        let (version, chunked) = match self.body {
            Body::Inline(_) => (self.version, None),
            Body::Chunked(chunked) => (self.version, Some(chunked)),
        };
        let number_of = |chunked: Chunked| (chunked.length as usize).div_ceil(CHUNK_BYTES);
        // A length is at most `MAX_VALUE_BYTES`, so the number of a chunk fits.
        (0..chunked.map_or(0, number_of) as u32)
            .filter_map(move |number| Some(keyspace::chunk(version, chunked?.ordinal, number)))
    }

    /// The value, with its chunks put together where it has some; `read` gives the raw value of a chunk's key.
    pub(super) fn value(
        &self,
        key: &[u8],
        mut read: impl FnMut(&[u8]) -> io::Result<Option<Bytes>>,
    ) -> io::Result<Bytes> {
        let chunked = match &self.body {
            Body::Inline(value) => return Ok(value.clone()),
            Body::Chunked(chunked) => chunked,
        };
        let length = chunked.length as usize;
        if length > MAX_VALUE_BYTES {
            return Err(damaged(key, "its length is beyond the limit"));
        }
        let mut value = BytesMut::with_capacity(length);
        for chunk in self.chunk_keys() {
            value.put(read(&chunk)?.ok_or_else(|| damaged(key, "a chunk of it is missing"))?);
        }
        if value.len() != length || crc32fast::hash(&value) != chunked.checksum {
            return Err(damaged(key, "its chunks do not match it"));
        }
        Ok(value.freeze())
    }

    /// What the envelope says of the value, without reading it.
    pub(super) fn without_value(&self) -> Versioned {
        Versioned {
            version: self.version,
            expires_ms: self.expires_ms,
            value: Bytes::new(),
        }
    }

    /// The envelope with its value.
    pub(super) fn versioned(
        &self,
        key: &[u8],
        read: impl FnMut(&[u8]) -> io::Result<Option<Bytes>>,
    ) -> io::Result<Versioned> {
        Ok(Versioned {
            version: self.version,
            expires_ms: self.expires_ms,
            value: self.value(key, read)?,
        })
    }
}

/// Puts a value in its envelope. `ordinal` tells it from the other values of the same commit; the chunks of a large
/// value, with their keys, go to `chunk`.
pub(super) fn seal(key: &[u8], put: &Put, version: Sequence, ordinal: u32, mut chunk: impl FnMut(Key, Bytes)) -> Bytes {
    let chunked = put.value.len() > CHUNK_BYTES;
    let inline: &[u8] = if chunked { &[] } else { &put.value };
    let mut rest = BytesMut::with_capacity(HEADER_BYTES + 28 + inline.len());
    rest.put_u8(FORMAT);
    rest.put_u8(if put.expires_ms.is_some() { EXPIRES } else { 0 } | if chunked { CHUNKED } else { 0 });
    rest.put_u32(0);
    rest.put_u64(version);
    if let Some(expires_ms) = put.expires_ms {
        rest.put_u64(expires_ms);
    }
    if chunked {
        rest.put_u32(ordinal);
        // The committer refuses values over `MAX_VALUE_BYTES`, so the length and the numbers fit.
        rest.put_u32(put.value.len() as u32);
        rest.put_u32(crc32fast::hash(&put.value));
        for (number, start) in (0..put.value.len()).step_by(CHUNK_BYTES).enumerate() {
            let end = put.value.len().min(start + CHUNK_BYTES);
            chunk(
                keyspace::chunk(version, ordinal, number as u32),
                put.value.slice(start..end),
            );
        }
    } else {
        rest.put_slice(inline);
    }
    let sum = checksum(key, &rest[HEADER_BYTES..]);
    rest[2..HEADER_BYTES].copy_from_slice(&sum.to_be_bytes());
    rest.freeze()
}
