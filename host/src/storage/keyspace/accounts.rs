//! Keys of accounts; one byte behind the prefix says what is kept there.
//!
//! | kind | what | key after the kind |
//! | --- | --- | --- |
//! | `a` | accounts | id (16 bytes) |
//! | `c` | logins that wait for a second factor | SHA-256 digest of the token (32 bytes) |
//! | `e` | whose an e-mail address is | the address, normalised |
//! | `f` | second factors | account (16 bytes) |
//! | `g` | passkeys that are asked for, or made, at this moment | SHA-256 digest of a token (32 bytes) |
//! | `h` | sign-ins that are under way at a provider | SHA-256 digest of the state (32 bytes) |
//! | `i` | whether there was an administrator | nothing |
//! | `j` | the identities of an account | account (16 bytes), identity (16 bytes) |
//! | `k` | the key of what the audit log tells of a person | account (16 bytes) |
//! | `l` | what links in mail do | SHA-256 digest of the token (32 bytes) |
//! | `m` | when an address was sent mail of a kind | the kind, NUL, the address, normalised |
//! | `n` | whose an identity at a provider is | SHA-256 digest of issuer and subject (32 bytes) |
//! | `o` | the sessions of an account | account (16 bytes), session (16 bytes) |
//! | `p` | tokens for programs | SHA-256 digest of the token (32 bytes) |
//! | `r` | receipts of erasures | account (16 bytes) |
//! | `s` | sessions | SHA-256 digest of the token (32 bytes) |
//! | `t` | the tokens for programs of an account | account (16 bytes), token (16 bytes) |
//! | `v` | what happened to an account | account (16 bytes), event (16 bytes) |
//! | `w` | from where somebody logs in to an account | account (16 bytes) |
//! | `x` | erasures that are under way | account (16 bytes) |

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

/// When an address was last sent mails of a kind that somebody not signed in has asked for. Kept under a hash of the address.
pub fn mailed(kind: &str, address: Uuid) -> Key {
    key(ACCOUNT, &[b"m", kind.as_bytes(), b"\0", address.as_bytes()])
}

/// A login that waits for a second factor, under the digest of its token.
pub fn challenge(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"c", digest])
}

/// The second factors of an account.
pub fn factors(account: Uuid) -> Key {
    key(ACCOUNT, &[b"f", account.as_bytes()])
}

/// The second factors of all accounts.
pub fn all_factors() -> Range {
    prefix_range(key(ACCOUNT, &[b"f"]))
}

/// The account whose second factors a key is of.
pub fn parse_factors(key: &Key) -> Option<Uuid> {
    Uuid::from_slice(key.strip_prefix(&[ACCOUNT, b'f'])?).ok()
}

/// Whether there was an administrator.
pub fn setup() -> Key {
    key(ACCOUNT, &[b"i"])
}

/// The key of what the audit log tells of a person.
pub fn personal_key(account: Uuid) -> Key {
    key(ACCOUNT, &[b"k", account.as_bytes()])
}

/// A token for programs, under its digest.
pub fn token(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"p", digest])
}

/// A token for programs of an account; the value is its digest.
pub fn token_of(account: Uuid, token: Uuid) -> Key {
    key(ACCOUNT, &[b"t", account.as_bytes(), token.as_bytes()])
}

/// All tokens for programs of an account.
pub fn tokens_of(account: Uuid) -> Range {
    prefix_range(key(ACCOUNT, &[b"t", account.as_bytes()]))
}

/// Something that happened to an account.
pub fn event(account: Uuid, event: Uuid) -> Key {
    key(ACCOUNT, &[b"v", account.as_bytes(), event.as_bytes()])
}

/// All that happened to an account, the oldest first.
pub fn events(account: Uuid) -> Range {
    prefix_range(key(ACCOUNT, &[b"v", account.as_bytes()]))
}

/// From where somebody logs in to an account.
pub fn watch(account: Uuid) -> Key {
    key(ACCOUNT, &[b"w", account.as_bytes()])
}

/// All that links in mails do.
pub fn links() -> Range {
    prefix_range(key(ACCOUNT, &[b"l"]))
}

/// All logins that wait for a second factor.
pub fn challenges() -> Range {
    prefix_range(key(ACCOUNT, &[b"c"]))
}

/// An erasure that is under way.
pub fn erasure(account: Uuid) -> Key {
    key(ACCOUNT, &[b"x", account.as_bytes()])
}

/// All erasures that are under way.
pub fn erasures() -> Range {
    prefix_range(key(ACCOUNT, &[b"x"]))
}

/// The receipt of an erasure.
pub fn receipt(account: Uuid) -> Key {
    key(ACCOUNT, &[b"r", account.as_bytes()])
}

/// Whether what is under the key may name an account that is gone: it holds its id and nothing else of it.
pub(super) fn is_opaque(key: &Key) -> bool {
    matches!(key.get(..2), Some([ACCOUNT, b'r' | b'x']))
}

/// Whether what is under the key tells of who logs in, or tries to.
pub(super) fn is_activity(key: &Key) -> bool {
    matches!(key.get(..2), Some([ACCOUNT, b'v' | b'w']))
}

/// A sign-in that is under way at a provider, under the digest of its state.
pub fn flow(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"h", digest])
}

/// All sign-ins that are under way at a provider.
pub fn flows() -> Range {
    prefix_range(key(ACCOUNT, &[b"h"]))
}

/// A passkey that is asked for, or made, at this moment, under the digest of the token that the answer comes with.
pub fn ceremony(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"g", digest])
}

/// All passkeys that are asked for, or made, at this moment.
pub fn ceremonies() -> Range {
    prefix_range(key(ACCOUNT, &[b"g"]))
}

/// Whose an identity at a provider is, under the digest of issuer and subject.
pub fn identity(digest: &[u8; 32]) -> Key {
    key(ACCOUNT, &[b"n", digest])
}

/// An identity of an account.
pub fn identity_of(account: Uuid, identity: Uuid) -> Key {
    key(ACCOUNT, &[b"j", account.as_bytes(), identity.as_bytes()])
}

/// All identities of an account.
pub fn identities_of(account: Uuid) -> Range {
    prefix_range(key(ACCOUNT, &[b"j", account.as_bytes()]))
}
