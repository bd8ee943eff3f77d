//! Keys of the outbox; one byte behind the prefix says what is kept there.
//!
//! | kind | what | key after the kind |
//! | --- | --- | --- |
//! | `d` | dead letters | id (16 bytes) |
//! | `s` | when a lane is tried next | time (8 bytes), lane (16 bytes) |
//! | `w` | entries that wait, lane by lane | lane (16 bytes), id (16 bytes) |

use uuid::Uuid;

use super::{key, prefix_range};
use crate::storage::engine::{Key, Range};

const OUTBOX: u8 = b'o';

/// What a lane is called in keys.
pub type Lane = [u8; 16];

/// An entry that waits.
pub fn waiting(lane: &Lane, id: Uuid) -> Key {
    key(OUTBOX, &[b"w", lane, id.as_bytes()])
}

/// The entries of a lane, the oldest first.
pub fn lane(lane: &Lane) -> Range {
    prefix_range(key(OUTBOX, &[b"w", lane]))
}

/// All entries that wait.
pub fn all_waiting() -> Range {
    prefix_range(key(OUTBOX, &[b"w"]))
}

/// When a lane is tried next.
pub fn scheduled(due_ms: u64, lane: &Lane) -> Key {
    key(OUTBOX, &[b"s", &due_ms.to_be_bytes(), lane])
}

/// The lanes that are due, up to and with this millisecond.
pub fn due(until_ms: u64) -> Range {
    Range {
        start: key(OUTBOX, &[b"s"]),
        end: key(OUTBOX, &[b"s", &until_ms.saturating_add(1).to_be_bytes()]),
    }
}

/// The time and the lane of a key of `scheduled`.
pub fn parse_scheduled(key: &Key) -> Option<(u64, Lane)> {
    let (due_ms, lane) = key.strip_prefix(&[OUTBOX, b's'])?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*due_ms), lane.try_into().ok()?))
}

/// A dead letter.
pub fn dead(id: Uuid) -> Key {
    key(OUTBOX, &[b"d", id.as_bytes()])
}

/// All dead letters, the oldest first.
pub fn all_dead() -> Range {
    prefix_range(key(OUTBOX, &[b"d"]))
}
