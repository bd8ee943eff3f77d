//! What a dump looks like: it describes itself, and every part of it is checksummed.
//!
//! ```text
//! "portcullis dump\n" | block ... | block
//! block:  kind (1) | length (4) | checksum (4) | payload
//! header: format (4) | time of the dump (8)
//! records, any number of: flags (1) | length of the key (2) | key
//!                         | [version (8) | [expires (8)] | length of the value (4) | value]
//! end:    sequence (8) | number of records (8) | SHA-256 of all that comes before it (32)
//! ```
//!
//! The checksum of a block (CRC-32) covers its kind and its payload. A record replaces an earlier one of the same key; one
//! without a value removes it. Numbers are big-endian.

use std::io::{self, Read};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::engine::{Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, Sequence, Versioned};

const MAGIC: &[u8; 16] = b"portcullis dump\n";
const FORMAT: u32 = 1;

const HEADER: u8 = b'h';
const RECORDS: u8 = b'r';
const END: u8 = b'e';

const PRESENT: u8 = 1;
const EXPIRES: u8 = 2;

/// A block is closed once it holds this much.
const BLOCK_BYTES: usize = 256 * 1_024;
/// The largest block: one that was just not full, with the largest record behind it.
const MAX_BLOCK_BYTES: usize = BLOCK_BYTES + MAX_KEY_BYTES + MAX_VALUE_BYTES + 32;
const DIGEST_BYTES: usize = 32;

/// The state of one key; `None` where it was removed after an earlier record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: Key,
    pub(super) stored: Option<Versioned>,
}

/// How a dump ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The state that the dump is of.
    pub(super) sequence: Sequence,
    /// The records that were written, replaced ones included.
    pub(super) records: u64,
}

/// Makes the bytes of a dump.
pub(super) struct Writer {
    digest: Sha256,
    records: u64,
    open: BytesMut,
}

impl Writer {
    /// Begins a dump; its first bytes come with it.
    pub(super) fn begin(now_ms: u64) -> (Self, Bytes) {
        let mut writer = Self {
            digest: Sha256::new(),
            records: 0,
            open: BytesMut::new(),
        };
        let mut header = BytesMut::new();
        header.put_u32(FORMAT);
        header.put_u64(now_ms);
        let mut first = BytesMut::from(MAGIC.as_slice());
        first.put(block(HEADER, &header));
        writer.digest.update(&first);
        (writer, first.freeze())
    }

    /// Adds a record; gives a block when one is full.
    pub(super) fn push(&mut self, record: &Record) -> Option<Bytes> {
        self.records += 1;
        let expires_ms = record.stored.as_ref().and_then(|stored| stored.expires_ms);
        let present = if record.stored.is_some() { PRESENT } else { 0 };
        self.open
            .put_u8(present | if expires_ms.is_some() { EXPIRES } else { 0 });
        // Keys and values come from a store, which holds none beyond `MAX_KEY_BYTES` and `MAX_VALUE_BYTES`.
        self.open.put_u16(record.key.len() as u16);
        self.open.put_slice(&record.key);
        if let Some(stored) = &record.stored {
            self.open.put_u64(stored.version);
            if let Some(expires_ms) = expires_ms {
                self.open.put_u64(expires_ms);
            }
            self.open.put_u32(stored.value.len() as u32);
            self.open.put_slice(&stored.value);
        }
        (self.open.len() >= BLOCK_BYTES).then(|| self.close())
    }

    /// The last bytes of a dump of the state `sequence`.
    pub(super) fn finish(&mut self, sequence: Sequence) -> Bytes {
        let mut last = BytesMut::from(self.close());
        let mut end = BytesMut::new();
        end.put_u64(sequence);
        end.put_u64(self.records);
        self.digest.update(&end);
        end.put_slice(&self.digest.clone().finalize());
        last.put(block(END, &end));
        last.freeze()
    }

    fn close(&mut self) -> Bytes {
        let block = block(RECORDS, &self.open.split());
        self.digest.update(&block);
        block
    }
}

fn block(kind: u8, payload: &[u8]) -> Bytes {
    let mut block = BytesMut::with_capacity(9 + payload.len());
    block.put_u8(kind);
    // At most `MAX_BLOCK_BYTES`.
    block.put_u32(payload.len() as u32);
    block.put_u32(checksum(kind, payload));
    block.put_slice(payload);
    block.freeze()
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the dump is damaged: {what}"))
}

/// Reads a dump, and checks all that it reads.
pub(super) struct Reader<R> {
    source: R,
    digest: Sha256,
    records: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub(super) fn open(source: R) -> io::Result<Self> {
        let mut reader = Self {
            source,
            digest: Sha256::new(),
            records: 0,
        };
        let mut magic = [0; MAGIC.len()];
        let begun = reader.source.read_exact(&mut magic);
        if begun.is_err() || magic != *MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no dump of a store"));
        }
        reader.digest.update(magic);
        let (kind, mut header) = reader.block()?;
        if kind != HEADER {
            return Err(damaged("it has no header"));
        }
        let format = header.try_get_u32().map_err(|_| damaged("its header is too short"))?;
        if format != FORMAT {
            let text = format!("the dump has format {format}, and this version of portcullis reads format {FORMAT}");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(reader)
    }

    /// Shows all records to `visit`, in their order, and checks how the dump ends.
    pub(super) fn read(mut self, mut visit: impl FnMut(Record) -> io::Result<()>) -> io::Result<End> {
        loop {
            let before = self.digest.clone();
            let (kind, mut payload) = self.block()?;
            match kind {
                RECORDS => {
                    while payload.has_remaining() {
                        self.records += 1;
                        visit(record(&mut payload)?)?;
                    }
                }
                END => return self.end(before, payload),
                _ => return Err(damaged("it holds a block of an unknown kind")),
            }
        }
    }

    fn end(mut self, mut digest: Sha256, mut payload: Bytes) -> io::Result<End> {
        if payload.len() != 16 + DIGEST_BYTES {
            return Err(damaged("its end has a wrong length"));
        }
        digest.update(&payload[..16]);
        let (sequence, records) = (payload.get_u64(), payload.get_u64());
        if digest.finalize().as_slice() != payload.as_ref() || records != self.records {
            return Err(damaged("its end does not match the rest"));
        }
        if self.source.read(&mut [0])? != 0 {
            return Err(damaged("something follows its end"));
        }
        Ok(End { sequence, records })
    }

    fn block(&mut self) -> io::Result<(u8, Bytes)> {
        let mut head = [0; 9];
        self.fill(&mut head)?;
        let mut fields = head.as_slice();
        let (kind, length, expected) = (fields.get_u8(), fields.get_u32() as usize, fields.get_u32());
        if length > MAX_BLOCK_BYTES {
            return Err(damaged("a block is too long"));
        }
        let mut payload = BytesMut::zeroed(length);
        self.fill(&mut payload)?;
        if checksum(kind, &payload) != expected {
            return Err(damaged("the checksum of a block does not match"));
        }
        Ok((kind, payload.freeze()))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it is cut off"),
            _ => error,
        })?;
        self.digest.update(buffer);
        Ok(())
    }
}

fn record(payload: &mut Bytes) -> io::Result<Record> {
    let short = |_| damaged("a record is too short");
    let flags = payload.try_get_u8().map_err(short)?;
    let length = payload.try_get_u16().map_err(short)?;
    let key = take(payload, usize::from(length))?;
    if flags & PRESENT == 0 {
        return Ok(Record { key, stored: None });
    }
    let version = payload.try_get_u64().map_err(short)?;
    let expires_ms = match flags & EXPIRES {
        0 => None,
        _ => Some(payload.try_get_u64().map_err(short)?),
    };
    let length = payload.try_get_u32().map_err(short)?;
    let value = take(payload, length as usize)?;
    let stored = Versioned {
        version,
        expires_ms,
        value,
    };
    Ok(Record {
        key,
        stored: Some(stored),
    })
}

fn take(payload: &mut Bytes, length: usize) -> io::Result<Bytes> {
    if payload.len() < length {
        return Err(damaged("a record is too short"));
    }
    Ok(payload.split_to(length))
}
