//! The values that plugins and the host exchange, as plain Rust: the counterpart of `wit/types.wit`.

use bytes::Bytes;
use uuid::Uuid;

/// A stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// A UUID of version 7, chosen by the host.
    pub id: Uuid,
    /// 1 for a new document; each write adds 1.
    pub revision: u64,
    /// The account that owns the document, if any.
    pub owner: Option<Uuid>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// The body: a compact JSON object.
    pub body: Bytes,
}

/// How a clause compares a field with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal; on an array field, one of its elements is.
    Eq,
    /// Not equal, or absent.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Equal to one of the elements of the value.
    OneOf,
    /// A string that starts with the value.
    Prefix,
}

/// One condition of a selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// The field, dotted for nested objects.
    pub field: String,
    /// The comparison.
    pub operator: Operator,
    /// A JSON scalar, or an array of them for `OneOf`.
    pub value: serde_json::Value,
}

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field, dotted for nested objects.
    pub field: String,
    /// Largest first.
    pub descending: bool,
}

/// Which documents to return, in which order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Conditions that must all hold.
    pub filters: Vec<Clause>,
    /// Sort keys; ties go by id, in the direction of the last key.
    pub sort: Vec<Order>,
    /// 1 to 1,000; 0 stands for the default of 20.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Whether to count all that match.
    pub with_total: bool,
}

/// One page of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The documents; fewer than the limit where their bodies are large, and then there is a next page.
    pub items: Vec<Document>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// How many match in all, where asked for.
    pub total: Option<u64>,
}

/// What is wrong with one place of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// A JSON Pointer (RFC 6901).
    pub pointer: String,
    /// A sentence for the client.
    pub message: String,
}

/// Why a plugin, or the host on its behalf, refuses; the texts reach the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 422: the body breaks rules.
    Invalid(Vec<Violation>),
    /// 404: no such document, or the caller may not know of it.
    NotFound,
    /// 409: the state forbids it.
    Conflict(String),
    /// 403: readable, but not permitted.
    Forbidden(String),
    /// 503: try again later.
    Unavailable(String),
    /// 500: anything else.
    Other(String),
}
