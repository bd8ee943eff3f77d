//! What keys are about, in words: for what is left of an account that was erased.

use super::{accounts, audit, parse_bucket, parse_document};
use crate::storage::engine::Key;

/// What a key that holds an account's id is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Something that may name accounts by their ids for good.
    Opaque,
    /// Something else, in words.
    Named(String),
}

/// What a key is about, as far as what is left of an account goes.
pub fn kept(key: &Key) -> Kept {
    if audit::parse_entry(key).is_some() || accounts::is_opaque(key) {
        return Kept::Opaque;
    }
    let prefix = char::from(key.first().copied().unwrap_or_default());
    Kept::Named(match (parse_document(key), parse_bucket(key)) {
        (Some((collection, id)), _) => format!("the document {id} of `{collection}`"),
        (_, Some((plugin, _))) => format!("a bucket of the plugin `{plugin}`"),
        _ if accounts::is_activity(key) => "what is kept of attempts to log in".to_owned(),
        _ => format!("a key under `{prefix}`"),
    })
}
