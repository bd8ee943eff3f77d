//! The index entries that a document has.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::encoding;
use crate::capabilities::catalogue::{Collection, Index, IndexPart, MayHold};
use crate::capabilities::json;
use crate::capabilities::model::{Document, Violation};
use crate::storage::engine::Key;

/// The most entries that one document has in one index: the elements of its array.
pub const MAX_ELEMENTS: usize = 64;

/// The keys of a document's entries in an index, or why it can't be indexed.
///
/// An array counts element by element. In a unique index a document without one of the fields has no entry.
pub fn entries(
    collection: &Collection,
    index: &Index,
    document: &Document,
    body: &Value,
) -> Result<BTreeSet<Key>, Violation> {
    let mut rows = vec![Vec::new()];
    for (part, declared) in index.parts.iter().zip(&index.declared) {
        let refuse = |message: String| Violation {
            pointer: json::pointer(declared.path.split('.')),
            message,
        };
        let values = encoded_values(part, document, body);
        if values.iter().any(|value| encoding::is_too_long(value)) {
            let limit = encoding::MAX_INDEXED_BYTES;
            return Err(refuse(format!("an indexed string holds at most {limit} bytes")));
        }
        let values: Vec<_> = values
            .into_iter()
            .filter(|value| !index.unique || *value != encoding::null())
            .collect();
        if rows.len() * values.len() > MAX_ELEMENTS {
            return Err(refuse(format!(
                "an indexed array holds at most {MAX_ELEMENTS} different elements"
            )));
        }
        rows = rows
            .iter()
            .flat_map(|row| values.iter().map(|value| appended(row, value, part.descending)))
            .collect();
    }
    Ok(rows
        .into_iter()
        .map(|row| entry(collection, index, row, document))
        .collect())
}

/// The entries in unique indexes that a new document with this body would have, as far as it can be indexed.
pub fn unique_entries(collection: &Collection, body: &Value) -> Vec<Key> {
    let document = Document {
        id: Uuid::nil(),
        revision: 1,
        owner: None,
        created_ms: 0,
        updated_ms: 0,
        body: Bytes::new(),
    };
    let unique = collection.indexes().iter().filter(|index| index.unique);
    unique
        .flat_map(|index| entries(collection, index, &document, body).unwrap_or_default())
        .collect()
}

fn entry(collection: &Collection, index: &Index, mut row: Vec<u8>, document: &Document) -> Key {
    if !index.unique {
        row.extend(id_bytes(document.id, index.ids_descend()));
    }
    index.key(collection.name(), &row)
}

fn encoded_values(part: &IndexPart, document: &Document, body: &Value) -> BTreeSet<Vec<u8>> {
    let value = part.field.value(document, body);
    match value.as_deref() {
        Some(Value::Array(elements)) => elements.iter().map(encoding::encoded).collect(),
        Some(value) => BTreeSet::from([encoding::encoded(value)]),
        None => BTreeSet::from([encoding::null().to_vec()]),
    }
}

fn appended(row: &[u8], value: &[u8], descending: bool) -> Vec<u8> {
    let mut next = Vec::with_capacity(row.len() + value.len());
    next.extend(row);
    next.extend(directed(value, descending));
    next
}

/// An encoding as it stands in a field of that direction.
pub fn directed(encoded: &[u8], descending: bool) -> Vec<u8> {
    let mut bytes = encoded.to_vec();
    if descending {
        encoding::invert(&mut bytes);
    }
    bytes
}

/// An id as it stands where ids run in that direction.
pub fn id_bytes(id: Uuid, descending: bool) -> Vec<u8> {
    directed(id.as_bytes(), descending)
}

/// The id of the document that an index entry leads to: a unique one holds it, in others it ends the key.
pub fn entry_id(index: &Index, key: &Key, value: &[u8]) -> Option<Uuid> {
    if index.unique {
        return Uuid::from_slice(value).ok();
    }
    let tail = key.get(key.len().checked_sub(16)?..)?;
    Uuid::from_slice(&directed(tail, index.ids_descend())).ok()
}

/// What the document holds in the fields of an index.
pub fn held(index: &Index, document: &Document, body: &Value) -> Vec<MayHold> {
    let held = |part: &IndexPart| {
        let value = part.field.value(document, body);
        MayHold {
            array: matches!(value.as_deref(), Some(Value::Array(_))),
            null: matches!(value.as_deref(), None | Some(Value::Null)),
        }
    };
    index.parts.iter().map(held).collect()
}
