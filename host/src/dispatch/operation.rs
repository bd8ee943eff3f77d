//! What can be asked of a resource, and what comes back.

use std::sync::Arc;

use serde_json::Value;

use crate::capabilities::model::{Document, Page, Selection};
use crate::manifest::Action;

/// What can be done with a resource. Ids are what the path says: one that is no UUID names no document.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `GET /api/{resource}`
    List(Selection),
    /// `GET /api/{resource}/{id}`
    Read {
        /// The document.
        id: String,
    },
    /// `POST /api/{resource}`
    Create {
        /// A JSON object without the host's fields.
        body: Arc<Value>,
    },
    /// `PUT /api/{resource}/{id}`
    Replace {
        /// The document.
        id: String,
        /// A JSON object without the host's fields.
        body: Arc<Value>,
        /// Only if the document is at one of these revisions.
        precondition: Option<Precondition>,
    },
    /// `PATCH /api/{resource}/{id}`
    Patch {
        /// The document.
        id: String,
        /// A JSON Merge Patch (RFC 7396): an object without the host's fields.
        patch: Value,
        /// Only if the document is at one of these revisions.
        precondition: Option<Precondition>,
    },
    /// `DELETE /api/{resource}/{id}`
    Delete {
        /// The document.
        id: String,
        /// Only if the document is at one of these revisions.
        precondition: Option<Precondition>,
    },
}

impl Operation {
    /// What policy is asked about.
    pub fn action(&self) -> Action {
        match self {
            Self::List(_) => Action::List,
            Self::Read { .. } => Action::Read,
            Self::Create { .. } => Action::Create,
            Self::Replace { .. } | Self::Patch { .. } => Action::Update,
            Self::Delete { .. } => Action::Delete,
        }
    }

    /// The document that must be at a certain revision, where one must.
    pub(super) fn precondition(&self) -> Option<(&str, &Precondition)> {
        match self {
            Self::Replace { id, precondition, .. }
            | Self::Patch { id, precondition, .. }
            | Self::Delete { id, precondition } => precondition.as_ref().map(|wanted| (id.as_str(), wanted)),
            Self::List(_) | Self::Read { .. } | Self::Create { .. } => None,
        }
    }
}

/// What `If-Match` (RFC 9110, section 13.1.1) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// `*`: the document exists.
    Exists,
    /// The document is at one of these revisions.
    Revision(Vec<u64>),
}

impl Precondition {
    /// Whether a document at this revision will do.
    pub fn holds(&self, revision: u64) -> bool {
        match self {
            Self::Exists => true,
            Self::Revision(wanted) => wanted.contains(&revision),
        }
    }
}

/// Names a request that may be repeated (the `Idempotency-Key` header).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// A digest of the key with the caller, method and path that it is valid within.
    pub name: [u8; 32],
    /// A digest of the body: the same name with another body is a mistake.
    pub fingerprint: [u8; 32],
}

impl Reply {
    /// How much of an answer it takes, without what the host adds.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Page(page) => page.items.iter().map(|item| item.body.len()).sum(),
            Self::Document(document) | Self::Created(document) => document.body.len(),
            Self::Deleted => 0,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// One page of a list.
    Page(Page),
    /// The document, as it is now.
    Document(Document),
    /// The new document.
    Created(Document),
    /// The document is gone.
    Deleted,
}
