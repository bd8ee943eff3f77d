//! Documents of one collection, in a call's transaction, under a scope: schema, uniqueness and indexes are kept here.

mod body;
mod count;
mod cursor;
pub(super) mod encoding;
pub mod fields;
mod filter;
pub(super) mod index;
mod merge_patch;
mod page;
mod plan;
mod query;
mod rows;
pub mod stored;

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

pub use body::{Body, Vetted};
use body::{Checked, Target};
pub use count::MAX_COUNTED;
pub use cursor::Cursors;
pub use filter::{MAX_FILTERS, MAX_LIMIT, MAX_ONE_OF, MAX_SORT_KEYS, refuse_write_only};
pub use index::unique_entries;
pub use merge_patch::merge_patch;
pub use page::{MAX_EXAMINED, MAX_EXAMINED_BYTES, MAX_PAGE_BYTES};
pub use query::MAX_ROWS_OF_REQUEST;

use super::catalogue::{CatalogueState, Collection, Index};
use super::json;
use super::model::{Document, Problem, Violation};
use crate::policy::{Caller, Facts, Scope};
use crate::storage::engine::{Key, Quota};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};

/// The largest body, compact.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// The most documents of one `get_many`.
pub const MAX_GET_MANY: usize = 1_000;

/// Why an operation on documents was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A problem that plugins know.
    #[error("{0:?}")]
    Problem(Problem),
    /// Too many rows would have to be examined.
    #[error("declare the index {index:?}{}", if *being_built { ", which is being built" } else { "" })]
    IndexRequired {
        /// The fields of the index that would serve, `-` before a descending one.
        index: Vec<String>,
        /// It is declared, and being built.
        being_built: bool,
    },
    /// Too many rows would have to be examined, and no index helps.
    #[error("{0}")]
    TooManyRows(String),
    /// The selection makes no sense for this collection.
    #[error("{message}")]
    BadSelection {
        /// A stable word for programs.
        code: &'static str,
        /// A sentence for people.
        message: String,
    },
    /// The call can't go on.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// The documents of one collection, as far as one call may touch them.
pub struct Documents<'a> {
    /// The call's transaction.
    pub transaction: &'a mut Transaction,
    /// The catalogue that the collection is of.
    pub catalogue: &'a CatalogueState,
    /// The collection.
    pub collection: &'a Collection,
    /// What seals cursors.
    pub cursors: &'a Cursors,
    /// To whom new documents belong, and cursors are bound.
    pub caller: &'a Caller,
    /// Which documents may be read; none at all without a scope.
    pub readable: Option<Scope>,
    /// Which documents may be written, where the call is to write.
    pub writable: Scope,
    /// Whether the fields are seen that are `writeOnly`; what is not seen can't be asked for either.
    pub write_only: bool,
    /// What writes count against.
    pub quota: &'a Quota,
}

impl Documents<'_> {
    /// The document, or none where there is none or it may not be read. Parses no JSON.
    pub async fn get(&mut self, id: &str) -> Result<Option<Document>, Error> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        let value = self.transaction.get(&self.key(id)).await?;
        self.visible(id, value)
    }

    /// At most 1,000 documents, in the order of the ids.
    pub async fn get_many(&mut self, ids: &[String]) -> Result<Vec<Option<Document>>, Error> {
        if ids.len() > MAX_GET_MANY {
            let message = format!("at most {MAX_GET_MANY} documents are read at a time");
            return Err(Error::BadSelection {
                code: "too_many_ids",
                message,
            });
        }
        // A text that is no id finds nothing, as the nil id does.
        let ids: Vec<Uuid> = ids.iter().map(|id| parse_id(id).unwrap_or_default()).collect();
        let keys: Vec<Key> = ids.iter().map(|id| self.key(*id)).collect();
        let values = self.transaction.get_many(&keys).await?;
        ids.into_iter()
            .zip(values)
            .map(|(id, value)| self.visible(id, value))
            .collect()
    }

    /// Stores a new document, which belongs to the caller.
    pub async fn insert(&mut self, body: impl Into<Body>) -> Result<Document, Error> {
        let Checked { body, text } = body.into().checked(self.collection, &Target::New)?;
        let now_ms = self.transaction.now_ms();
        let random: [u8; 10] = rand::random();
        let document = Document {
            // The time in front keeps documents in the order in which they were made.
            id: uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid(),
            revision: 1,
            owner: self.caller.account(),
            created_ms: now_ms,
            updated_ms: now_ms,
            body: text,
        };
        // What an account makes is its own.
        let is_owned = matches!(self.writable, Scope::Owned(_));
        if !is_owned && !self.writable.covers(&facts(&document, &body)) {
            return Err(Problem::Forbidden("you may not make such a document".to_owned()).into());
        }
        self.store(None, Some((&document, &*body))).await?;
        self.shown(document)
    }

    /// Replaces the body. Fields that are `writeOnly` and not named are kept.
    pub async fn replace(&mut self, id: &str, body: impl Into<Body>) -> Result<Document, Error> {
        let (current, stored) = self.writable(id).await?;
        let checked = body
            .into()
            .checked(self.collection, &Target::Keeping(current.id, &stored))?;
        self.update(current, &stored, checked).await
    }

    /// Replaces the body by one that is all of it.
    pub async fn replace_whole(&mut self, id: &str, body: impl Into<Body>) -> Result<Document, Error> {
        let (current, stored) = self.writable(id).await?;
        let checked = body.into().checked(self.collection, &Target::Whole(current.id))?;
        self.update(current, &stored, checked).await
    }

    /// Applies a JSON Merge Patch.
    pub async fn patch(&mut self, id: &str, merge: Value) -> Result<Document, Error> {
        let (current, stored) = self.writable(id).await?;
        let body = Body::New(merge_patch(stored.clone(), &merge));
        let checked = body.checked(self.collection, &Target::Whole(current.id))?;
        self.update(current, &stored, checked).await
    }

    /// Removes the document.
    pub async fn delete(&mut self, id: &str) -> Result<(), Error> {
        let (current, stored) = self.writable(id).await?;
        self.store(Some((&current, &stored)), None).await
    }

    /// Has the document belong to nobody, without the fields that tell of the one to whom it belonged.
    pub async fn disown(&mut self, id: &str) -> Result<(), Error> {
        let (current, stored) = self.writable(id).await?;
        let mut body = stored.clone();
        fields::remove(&mut body, self.collection.personal());
        let text = match body == stored {
            true => current.body.clone(),
            false => json::print(&body).into(),
        };
        let next = Document {
            revision: current.revision + 1,
            owner: None,
            body: text,
            ..current.clone()
        };
        self.store(Some((&current, &stored)), Some((&next, &body))).await
    }

    async fn update(&mut self, current: Document, stored: &Value, checked: Checked) -> Result<Document, Error> {
        let Checked { body, text } = checked;
        let next = Document {
            revision: current.revision + 1,
            updated_ms: self.transaction.now_ms(),
            body: text,
            ..current.clone()
        };
        self.store(Some((&current, stored)), Some((&next, &*body))).await?;
        self.shown(next)
    }

    /// The document that is to be written, and its body: not found where it may not be known of, forbidden where it may.
    async fn writable(&mut self, id: &str) -> Result<(Document, Value), Error> {
        let id = parse_id(id).ok_or(Problem::NotFound)?;
        let value = self.transaction.get(&self.key(id)).await?.ok_or(Problem::NotFound)?;
        let document = stored::decode(id, value).ok_or_else(|| self.damaged())?;
        let body = self.parsed(&document)?;
        let facts = facts(&document, &body);
        if self.writable.covers(&facts) {
            return Ok((document, body));
        }
        if self.readable.as_ref().is_some_and(|scope| scope.covers(&facts)) {
            return Err(Problem::Forbidden("you may not do this with this document".to_owned()).into());
        }
        Err(Problem::NotFound.into())
    }

    /// Writes or removes a document with its index entries and records the change.
    async fn store(&mut self, old: Option<(&Document, &Value)>, new: Option<(&Document, &Value)>) -> Result<(), Error> {
        self.catalogue.pin(self.transaction)?;
        let collection = self.collection;
        // All checks come before the first write: a plugin may go on after a refusal, and what it wrote is committed.
        let mut entries = Vec::new();
        for index in collection.indexes() {
            if index.is_maintained() {
                self.check_index(index, old, new, &mut entries).await?;
            }
        }
        for (key, value) in entries {
            match value {
                Some(value) => self.transaction.put(key, value, None),
                None => self.transaction.delete(key),
            }
        }
        if let Some((document, _)) = new.or(old) {
            let key = self.key(document.id);
            self.transaction.record_change(key.clone());
            match new {
                Some((document, _)) => {
                    self.transaction.put(key, stored::encode(document), None);
                    self.transaction.limit(self.quota.clone());
                }
                None => self.transaction.delete(key),
            }
        }
        Ok(())
    }

    /// Collects what is to be written to an index: a value to put, or none to delete.
    async fn check_index(
        &mut self,
        index: &Index,
        old: Option<(&Document, &Value)>,
        new: Option<(&Document, &Value)>,
        entries: &mut Vec<(Key, Option<Bytes>)>,
    ) -> Result<(), Error> {
        // A document that was there before the index and does not fit into it has no entries.
        let before = match old {
            Some((document, body)) => index::entries(self.collection, index, document, body).unwrap_or_default(),
            None => BTreeSet::new(),
        };
        let after = match new {
            Some((document, body)) => index::entries(self.collection, index, document, body)
                .map_err(|violation| Error::Problem(Problem::Invalid(vec![violation])))?,
            None => BTreeSet::new(),
        };
        let id = new.or(old).map(|(document, _)| document.id).unwrap_or_default();
        for key in before.difference(&after) {
            // While a unique index is being built, the entry may be another document's.
            if !index.unique || self.transaction.get(key).await?.as_deref() == Some(id.as_bytes()) {
                entries.push((key.clone(), None));
            }
        }
        for key in after.difference(&before) {
            if !index.unique {
                entries.push((key.clone(), Some(Bytes::new())));
                continue;
            }
            if self
                .transaction
                .get(key)
                .await?
                .is_some_and(|held| held != id.as_bytes().as_slice())
            {
                let fields = index.names().join("`, `");
                return Err(Problem::Conflict(format!("another document has the same `{fields}`")).into());
            }
            entries.push((key.clone(), Some(Bytes::copy_from_slice(id.as_bytes()))));
        }
        Ok(())
    }

    fn visible(&self, id: Uuid, value: Option<Bytes>) -> Result<Option<Document>, Error> {
        let (Some(value), Some(scope)) = (value, &self.readable) else {
            return Ok(None);
        };
        let document = stored::decode(id, value).ok_or_else(|| self.damaged())?;
        let body = if scope.needs_body() {
            self.parsed(&document)?
        } else {
            Value::Null
        };
        match scope.covers(&facts(&document, &body)) {
            true => self.shown(document).map(Some),
            false => Ok(None),
        }
    }

    /// The document without what is not seen.
    fn shown(&self, document: Document) -> Result<Document, Error> {
        match self.write_only {
            true => Ok(document),
            false => self
                .collection
                .without_write_only(document)
                .ok_or_else(|| self.damaged()),
        }
    }

    fn key(&self, id: Uuid) -> Key {
        keyspace::document(self.collection.name(), id)
    }

    fn damaged(&self) -> Error {
        Ended::Unavailable(format!(
            "a document of `{}` is damaged; see `portcullis verify`",
            self.collection.name()
        ))
        .into()
    }
}

/// An id as it is written, and in no other way: one document has one URL.
fn parse_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (id.hyphenated().encode_lower(&mut buffer) == text).then_some(id)
}

/// What policy may know of a document.
fn facts<'a>(document: &Document, body: &'a Value) -> Facts<'a> {
    Facts {
        id: document.id,
        owner: document.owner,
        body,
    }
}

fn invalid(pointer: String, message: String) -> Error {
    Error::Problem(Problem::Invalid(vec![Violation { pointer, message }]))
}

#[cfg(test)]
mod body_tests;
#[cfg(test)]
mod cursor_tests;
#[cfg(test)]
mod index_required_tests;
#[cfg(test)]
mod query_strategies;
#[cfg(test)]
mod query_tests;
#[cfg(test)]
mod scope_tests;
#[cfg(test)]
mod write_tests;
