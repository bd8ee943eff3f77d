//! The only place where a key is formed, and the table of what lives under which prefix.
//!
//! | prefix | what | key after the prefix |
//! | --- | --- | --- |
//! | `a` | accounts: records, addresses, sessions | what it is (1 byte), its key |
//! | `c` | the catalogue | nothing for its version, the name of a part |
//! | `d` | documents | collection, NUL, id (16 bytes) |
//! | `e` | expiry index (the engine's) | time (8 bytes), the key that expires |
//! | `i` | index entries | collection, NUL, index id (4 bytes), encoded fields, id |
//! | `k` | key-value buckets | plugin, NUL, length of the bucket's name (2 bytes), bucket, key |
//! | `l` | change log (the engine's) | sequence (8 bytes) |
//! | `m` | what the engine knows of itself | name |
//! | `o` | the outbox | what it is (1 byte), its key |
//! | `p` | plugins | plugin, NUL, part |
//! | `q` | usage counters (the engine's) | the prefix that is counted |
//! | `r` | answers under idempotency keys | whose they are (16 bytes), hash (32 bytes) |
//! | `s` | consumers of the change log | name |
//! | `t` | the audit log | what it is (1 byte), its key |
//! | `u` | unique index entries | collection, NUL, index id (4 bytes), encoded fields |
//! | `x` | chunks of large values (the engine's) | sequence (8 bytes), ordinal (4 bytes), number (4 bytes) |
//!
//! Numbers are big-endian, so that keys sort as the numbers do. Names of plugins and collections are validated by
//! `manifest` and hold no NUL; what a plugin chooses itself (a bucket, a key) comes behind a length or last, so that no
//! choice of bytes reaches another plugin's keys.

pub mod accounts;
pub mod audit;
mod kept;
pub mod outbox;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::engine::{Key, Quota, Range, Sequence};
pub use kept::{Kept, kept};

const CATALOGUE: u8 = b'c';
const DOCUMENT: u8 = b'd';
const EXPIRY: u8 = b'e';
const INDEX: u8 = b'i';
const KEY_VALUE: u8 = b'k';
const CHANGE: u8 = b'l';
const META: u8 = b'm';
const PLUGIN: u8 = b'p';
const USAGE: u8 = b'q';
const ANSWER: u8 = b'r';
const CONSUMER: u8 = b's';
const UNIQUE: u8 = b'u';
const CHUNK: u8 = b'x';

/// The bytes of a document's id.
const ID_BYTES: usize = 16;

fn key(prefix: u8, parts: &[&[u8]]) -> Key {
    let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut key = BytesMut::with_capacity(length);
    key.put_u8(prefix);
    for part in parts {
        key.put_slice(part);
    }
    key.freeze()
}

/// A key that was formed here before, and written down since.
pub fn written_down(bytes: Vec<u8>) -> Key {
    Key::from_owner(bytes)
}

/// All keys that start with `prefix`.
pub fn prefix_range(prefix: Key) -> Range {
    // The first key behind them all: the prefix with its last byte below 0xFF raised by one.
    let kept = prefix
        .iter()
        .rposition(|&byte| byte < u8::MAX)
        .map_or(0, |last| last + 1);
    let mut end = BytesMut::from(&prefix[..kept]);
    if let Some(last) = end.last_mut() {
        *last += 1;
    } else {
        // No key starts with more 0xFF than a key may be long; every other prefix begins with a letter.
        end.put_bytes(u8::MAX, super::engine::MAX_KEY_BYTES + 1);
    }
    Range {
        start: prefix,
        end: end.freeze(),
    }
}

/// The smallest key that is larger than `key`.
pub fn successor(key: &Key) -> Key {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

/// Where the version of the catalogue of collections is kept: small, because every query and every write reads it.
pub fn catalogue() -> Key {
    Key::from_static(&[CATALOGUE])
}

/// Where a part of the catalogue is kept.
pub fn catalogue_part(name: &[u8]) -> Key {
    key(CATALOGUE, &[name])
}

/// A document.
pub fn document(collection: &str, id: Uuid) -> Key {
    key(DOCUMENT, &[collection.as_bytes(), b"\0", id.as_bytes()])
}

/// All documents of a collection, in the order of their ids.
pub fn documents(collection: &str) -> Range {
    prefix_range(key(DOCUMENT, &[collection.as_bytes(), b"\0"]))
}

/// The collection and the id of a document's key; `None` for any other key.
pub fn parse_document(key: &[u8]) -> Option<(&str, Uuid)> {
    let rest = key.strip_prefix(&[DOCUMENT])?;
    let (collection, id) = rest.split_at_checked(rest.len().checked_sub(ID_BYTES + 1)?)?;
    let id = Uuid::from_slice(id.strip_prefix(b"\0")?).ok()?;
    Some((std::str::from_utf8(collection).ok()?, id))
}

/// What all entries of an index start with; encoded fields follow.
pub fn index_prefix(collection: &str, index: u32, fields: &[u8]) -> Key {
    key(INDEX, &[collection.as_bytes(), b"\0", &index.to_be_bytes(), fields])
}

/// An index entry.
pub fn index_entry(collection: &str, index: u32, fields: &[u8], id: Uuid) -> Key {
    key(
        INDEX,
        &[
            collection.as_bytes(),
            b"\0",
            &index.to_be_bytes(),
            fields,
            id.as_bytes(),
        ],
    )
}

/// The entry of a unique index, or what all begin with whose first fields are these; its value is the id of the one
/// document.
pub fn unique_entry(collection: &str, index: u32, fields: &[u8]) -> Key {
    key(UNIQUE, &[collection.as_bytes(), b"\0", &index.to_be_bytes(), fields])
}

fn bucket_prefix(plugin: &str, bucket: &str) -> Key {
    // A bucket whose name is longer than the length field can say has no keys of its own: `keyvalue` refuses it long
    // before, and here its keys would be too long for any engine.
    let length = u16::try_from(bucket.len()).unwrap_or(u16::MAX);
    key(
        KEY_VALUE,
        &[plugin.as_bytes(), b"\0", &length.to_be_bytes(), bucket.as_bytes()],
    )
}

/// An entry of a plugin's bucket.
pub fn keyvalue(plugin: &str, bucket: &str, name: &str) -> Key {
    let mut key = BytesMut::from(bucket_prefix(plugin, bucket));
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// All entries of a plugin's bucket.
pub fn keyvalue_bucket(plugin: &str, bucket: &str) -> Range {
    prefix_range(bucket_prefix(plugin, bucket))
}

/// All entries of all buckets.
pub fn buckets() -> Range {
    prefix_range(Key::from_static(&[KEY_VALUE]))
}

/// The plugin whose bucket a key is of, with the range of all its buckets.
pub fn parse_bucket(key: &Key) -> Option<(&str, Range)> {
    let rest = key.strip_prefix(&[KEY_VALUE])?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    let plugin = std::str::from_utf8(&rest[..end]).ok()?;
    Some((plugin, prefix_range(key.slice(..end + 2))))
}

/// The name of an entry, from its key.
pub fn keyvalue_name<'a>(key: &'a Key, plugin: &str, bucket: &str) -> Option<&'a str> {
    std::str::from_utf8(key.strip_prefix(bucket_prefix(plugin, bucket).as_ref())?).ok()
}

/// What the store keeps about a plugin.
pub fn plugin(name: &str, part: &str) -> Key {
    key(PLUGIN, &[name.as_bytes(), b"\0", part.as_bytes()])
}

/// What the store keeps about all plugins.
pub fn plugins() -> Range {
    prefix_range(Key::from_static(&[PLUGIN]))
}

/// What the store keeps about one plugin.
pub fn plugin_parts(name: &str) -> Range {
    prefix_range(key(PLUGIN, &[name.as_bytes(), b"\0"]))
}

/// The plugin that a key tells about.
pub fn plugin_name(key: &Key) -> Option<&str> {
    let rest = key.strip_prefix(&[PLUGIN])?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// The answer kept under the hash of an idempotency key, beside the others of the same holder.
pub fn answer(holder: Uuid, hash: &[u8; 32]) -> Key {
    key(ANSWER, &[holder.as_bytes(), hash])
}

/// All answers that are kept for a holder.
pub fn answers_of(holder: Uuid) -> Range {
    prefix_range(answers(holder))
}

fn answers(holder: Uuid) -> Key {
    key(ANSWER, &[holder.as_bytes()])
}

/// An entry of the change log.
pub(super) fn change(sequence: Sequence) -> Key {
    key(CHANGE, &[&sequence.to_be_bytes()])
}

/// The entries of the change log after `after`, up to `until`.
pub(super) fn changes(after: Sequence, until: Sequence) -> Range {
    Range {
        start: change(after.saturating_add(1)),
        end: successor(&change(until)),
    }
}

/// The sequence of an entry of the change log.
pub(super) fn change_sequence(key: &[u8]) -> Option<Sequence> {
    Some(Sequence::from_be_bytes(key.strip_prefix(&[CHANGE])?.try_into().ok()?))
}

/// How far a consumer of the change log has come.
pub(super) fn consumer(name: &str) -> Key {
    key(CONSUMER, &[name.as_bytes()])
}

/// All consumers of the change log.
pub(super) fn consumers() -> Range {
    prefix_range(Key::from_static(&[CONSUMER]))
}

/// The entry of the expiry index that says when `target` expires.
pub(super) fn expiry(at_ms: u64, target: &[u8]) -> Key {
    key(EXPIRY, &[&at_ms.to_be_bytes(), target])
}

/// What expires up to `until_ms`, this millisecond included.
pub(super) fn expiries(until_ms: u64) -> Range {
    let end = until_ms
        .checked_add(1)
        .map_or_else(all_expiries_end, |end| expiry(end, &[]));
    Range {
        start: Key::from_static(&[EXPIRY]),
        end,
    }
}

fn all_expiries_end() -> Key {
    Key::from_static(&[EXPIRY + 1])
}

/// The time and the target of an entry of the expiry index.
pub(super) fn parse_expiry(key: &Key) -> Option<(u64, Key)> {
    let rest = key.strip_prefix(&[EXPIRY])?;
    let (at_ms, target) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at_ms), key.slice_ref(target)))
}

/// What the engine knows of itself.
pub(super) fn meta(name: &'static str) -> Key {
    key(META, &[name.as_bytes()])
}

/// A part of a large value: which commit wrote it, which write of that commit it was, and which part it is.
pub(super) fn chunk(sequence: Sequence, ordinal: u32, number: u32) -> Key {
    key(
        CHUNK,
        &[&sequence.to_be_bytes(), &ordinal.to_be_bytes(), &number.to_be_bytes()],
    )
}

/// Whether the key is that of a chunk.
pub(super) fn is_chunk(key: &[u8]) -> bool {
    key.first() == Some(&CHUNK)
}

/// All chunks of all values.
pub(super) fn chunks() -> Range {
    prefix_range(Key::from_static(&[CHUNK]))
}

/// The usage counter of a prefix that `charged` names.
pub(super) fn usage(prefix: &[u8]) -> Key {
    key(USAGE, &[prefix])
}

/// All usage counters.
pub(super) fn usages() -> Range {
    prefix_range(Key::from_static(&[USAGE]))
}

/// The prefix that a usage counter counts.
pub(super) fn usage_prefix(key: &Key) -> Option<Key> {
    Some(key.slice_ref(key.strip_prefix(&[USAGE])?))
}

/// What belongs to the engine, in order.
const INTERNAL: [u8; 4] = [EXPIRY, META, USAGE, CHUNK];

/// Whether the key belongs to the engine: a dump leaves it out, for it follows from the rest.
pub(super) fn is_internal(key: &[u8]) -> bool {
    key.first().is_some_and(|first| INTERNAL.contains(first))
}

/// All keys that do not belong to the engine.
pub(super) fn logical() -> Vec<Range> {
    let Range { mut start, end } = everything();
    let mut ranges = Vec::with_capacity(INTERNAL.len() + 1);
    for prefix in INTERNAL {
        let internal = prefix_range(key(prefix, &[]));
        ranges.push(Range {
            start,
            end: internal.start,
        });
        start = internal.end;
    }
    ranges.push(Range { start, end });
    ranges
}

/// The keys whose bytes are charged to a prefix.
pub(super) fn charged_ranges() -> [Range; 3] {
    [DOCUMENT, KEY_VALUE, ANSWER].map(|prefix| prefix_range(key(prefix, &[])))
}

/// The prefix that a key's bytes are charged to: documents to their collection, bucket entries to their plugin, kept answers
/// to their holder. Index entries follow from documents and are not counted.
pub(super) fn charged(key: &Key) -> Option<Key> {
    let last = match *key.first()? {
        DOCUMENT | KEY_VALUE => key.iter().position(|&byte| byte == 0)?,
        ANSWER if key.len() > ID_BYTES => ID_BYTES,
        _ => return None,
    };
    Some(key.slice(..=last))
}

/// The limit of a plugin: its collections and its buckets count together.
pub fn quota<'a>(plugin: &str, collections: impl IntoIterator<Item = &'a str>, limit_bytes: u64) -> Quota {
    let documents = collections
        .into_iter()
        .map(|collection| key(DOCUMENT, &[collection.as_bytes(), b"\0"]));
    let buckets = key(KEY_VALUE, &[plugin.as_bytes(), b"\0"]);
    Quota {
        namespace: plugin.to_owned(),
        prefixes: documents.chain([buckets]).collect(),
        limit_bytes,
    }
}

/// The whole store.
pub(super) fn everything() -> Range {
    Range {
        start: Bytes::new(),
        end: prefix_range(Key::from_static(&[u8::MAX])).end,
    }
}

/// The limit of what is kept for the holder of answers.
pub fn answers_quota(namespace: &str, holder: Uuid, limit_bytes: u64) -> Quota {
    Quota {
        namespace: namespace.to_owned(),
        prefixes: vec![answers(holder)],
        limit_bytes,
    }
}

#[cfg(test)]
#[path = "keyspace_tests.rs"]
mod tests;
