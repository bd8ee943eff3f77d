//! Keys of accounts; one byte behind the prefix says what is kept there.
//!
//! | kind | what | key after the kind |
//! | --- | --- | --- |
//! | `a` | accounts | id (16 bytes) |
//! | `e` | whose an e-mail address is | the address, normalised |
//! | `l` | what links in mail do | SHA-256 digest of the token (32 bytes) |
//! | `m` | when an address was sent mail | the address, normalised |
//! | `o` | the sessions of an account | account (16 bytes), session (16 bytes) |
//! | `s` | sessions | SHA-256 digest of the token (32 bytes) |

use uuid::Uuid;

use super::{key, prefix_range};
use crate::storage::engine::{Key, Range};

const ACCOUNT: u8 = b'a';

/// The record of an account.
pub fn record(account: Uuid) -> Key {
    key(ACCOUNT, &[b"a", account.as_bytes()])
}

/// The records of all accounts, in the order of their ids.
pub fn records() -> Range {
    prefix_range(key(ACCOUNT, &[b"a"]))
}

/// Whose an e-mail address is; the value is the account's id.
pub fn address(normalised: &str) -> Key {
    key(ACCOUNT, &[b"e", normalised.as_bytes()])
}

/// A session, under the digest of its token.
pub fn session(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"s", digest])
}

/// A session of an account; the value is the digest of its token.
pub fn session_of(account: Uuid, session: Uuid) -> Key {
    key(ACCOUNT, &[b"o", account.as_bytes(), session.as_bytes()])
}

/// All sessions of an account.
pub fn sessions_of(account: Uuid) -> Range {
    prefix_range(key(ACCOUNT, &[b"o", account.as_bytes()]))
}

/// The session that a key of `session_of` is about.
pub fn parse_session_of(key: &Key) -> Option<Uuid> {
    let ids = key.strip_prefix(&[ACCOUNT, b'o'])?;
    Uuid::from_slice(ids.get(16..)?).ok()
}

/// All that is kept of accounts.
#[cfg(test)]
pub fn all() -> Range {
    prefix_range(key(ACCOUNT, &[]))
}

/// What a link in a mail does, under the digest of its token.
pub fn link(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"l", digest])
}

/// When an address was last sent a mail that somebody not signed in has asked for.
pub fn mailed(address: &str) -> Key {
    key(ACCOUNT, &[b"m", address.as_bytes()])
}
