//! Keys of the audit log; one byte behind the prefix says what is kept there.
//!
//! | kind | what | key after the kind |
//! | --- | --- | --- |
//! | `e` | entries | number (8 bytes) |
//! | `h` | the number and the hash of the last entry | nothing |
//! | `s` | a hash of what was last told of something | what |
//! | `v` | the settings that were last told with it | what |

use super::{key, prefix_range};
use crate::storage::engine::{Key, Range};

const AUDIT: u8 = b't';

/// The last entry.
pub fn head() -> Key {
    key(AUDIT, &[b"h"])
}

/// What was last told of something.
pub fn told(of: &str) -> Key {
    key(AUDIT, &[b"s", of.as_bytes()])
}

/// The settings that were last told with it.
pub fn settings(of: &str) -> Key {
    key(AUDIT, &[b"v", of.as_bytes()])
}

/// An entry.
pub fn entry(number: u64) -> Key {
    key(AUDIT, &[b"e", &number.to_be_bytes()])
}

/// All entries, the oldest first.
pub fn entries() -> Range {
    prefix_range(key(AUDIT, &[b"e"]))
}

/// The number of an entry's key.
pub fn parse_entry(key: &Key) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(&[AUDIT, b'e'])?.try_into().ok()?))
}
