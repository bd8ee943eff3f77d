//! A document as the store keeps it: a small binary header, then the body as it is sent. Reading one parses no JSON.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::capabilities::model::Document;

const FORMAT: u8 = 1;
const WITHOUT_OWNER: u8 = 0;
const WITH_OWNER: u8 = 1;
/// Format, whether there is an owner, revision, and the two times.
const FIXED_BYTES: usize = 2 + 3 * size_of::<u64>();

/// The value to store; the id is in the key.
pub fn encode(document: &Document) -> Bytes {
    let mut value = BytesMut::with_capacity(FIXED_BYTES + size_of::<Uuid>() + document.body.len());
    value.put_u8(FORMAT);
    value.put_u8(if document.owner.is_some() {
        WITH_OWNER
    } else {
        WITHOUT_OWNER
    });
    value.put_u64(document.revision);
    value.put_u64(document.created_ms);
    value.put_u64(document.updated_ms);
    if let Some(owner) = document.owner {
        value.put_slice(owner.as_bytes());
    }
    value.put_slice(&document.body);
    value.freeze()
}

/// The document in a stored value, sharing its bytes; `None` where the value is no document of a known format.
pub fn decode(id: Uuid, mut value: Bytes) -> Option<Document> {
    if value.len() < FIXED_BYTES || value.get_u8() != FORMAT {
        return None;
    }
    let owner_flag = value.get_u8();
    let (revision, created_ms, updated_ms) = (value.get_u64(), value.get_u64(), value.get_u64());
    let owner = match owner_flag {
        WITHOUT_OWNER => None,
        WITH_OWNER if value.len() >= size_of::<Uuid>() => Some(Uuid::from_u128(value.get_u128())),
        _ => return None,
    };
    Some(Document {
        id,
        revision,
        owner,
        created_ms,
        updated_ms,
        body: value,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(id: u128, owner: Option<u128>, numbers: [u64; 3], body: Vec<u8>) {
            let [revision, created_ms, updated_ms] = numbers;
            let owner = owner.map(Uuid::from_u128);
            let document =
                Document { id: Uuid::from_u128(id), revision, owner, created_ms, updated_ms, body: body.into() };
            prop_assert_eq!(decode(document.id, encode(&document)), Some(document));
        }

        #[test]
        fn any_bytes_are_a_document_or_none(bytes: Vec<u8>) {
            let _ = decode(Uuid::nil(), bytes.into());
        }
    }
}
