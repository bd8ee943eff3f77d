//! What a plugin asks for: the shape of `plugin.toml`, its parsing and its validation. Uses no other layer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A validated `plugin.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The plugin's name: a lower-case letter, then lower-case letters, digits and `-`; at most 63.
    pub name: String,
    /// Its version (Semantic Versioning 2.0).
    pub version: String,
    /// How instances are used.
    pub instances: Instances,
    /// The resources that it serves, each backed by the collection of the same name.
    pub resources: Vec<Resource>,
    /// What it wants beyond its own resources.
    pub wants: Wants,
    /// The limits that it asks for; the operator's cap them.
    pub limits: Limits,
}

/// How instances are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// A new one for each call.
    Fresh,
    /// One serves this many calls, one after another.
    Reuse(u32),
}

/// One resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The name in the path and of the collection: a lower-case letter, then lower-case letters, digits, `-` and `_`; at most 63.
    pub name: String,
    /// The JSON Schema 2020-12 of a body.
    pub schema: Arc<serde_json::Value>,
    /// Indexes for filters and sorts. An absent field counts as null.
    pub indexes: Vec<Vec<IndexField>>,
    /// Unique indexes. A document without one of the fields is not in the index.
    pub unique: Vec<Vec<IndexField>>,
    /// Who may do what.
    pub access: Access,
}

/// One field of an index, written `name` or `-name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct IndexField {
    /// The field, dotted for nested objects.
    pub path: String,
    /// Largest first.
    pub descending: bool,
}

/// Who may do what with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `GET /api/{resource}`
    pub list: AccessWord,
    /// `GET /api/{resource}/{id}`
    pub read: AccessWord,
    /// `POST /api/{resource}`
    pub create: AccessWord,
    /// `PUT` and `PATCH`
    pub update: AccessWord,
    /// `DELETE`
    pub delete: AccessWord,
}

/// One access word. The operator may do everything but what is for `nobody`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessWord {
    /// Everybody, signed in or not.
    Anyone,
    /// The holder of the operator token.
    Operator,
    /// No client at all; plugins that act as the system still may.
    Nobody,
}

/// What a document operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Query.
    List,
    /// Get one.
    Read,
    /// Insert.
    Create,
    /// Replace and patch.
    Update,
    /// Delete.
    Delete,
}

/// What a plugin wants beyond its own resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Collections of other plugins.
    pub collections: BTreeMap<String, CollectionWish>,
    /// Origins with path prefixes; for integration calls.
    pub egress: Vec<String>,
    /// Names of secrets; for integration calls.
    pub secrets: Vec<String>,
}

/// What is wanted of one collection: `["read"]`, or `{ actions = ["read"], as = "system" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionWish {
    /// What to do; `read` includes `list`.
    pub actions: BTreeSet<Action>,
    /// Act beyond the caller's rights.
    pub as_system: bool,
}

/// Limits of one call and of one plugin. A limit's name ends with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of an instance, all memories together.
    pub memory_mib: u32,
    /// From admission to answer, retries included.
    pub deadline_ms: u32,
    /// CPU time of the guest in one attempt.
    pub cpu_ms: u32,
    /// Calls at a time.
    pub concurrency: u32,
    /// Calls that may wait for a place.
    pub queue: u32,
    /// Documents, index entries and private keys of the plugin.
    pub storage_mib: u32,
    /// Elements of one table.
    pub table_elements: u32,
    /// Log lines of one call, and their bytes.
    pub log_lines: u32,
    /// Bytes of the log of one call.
    pub log_kib: u32,
    /// Bytes of what a call returns.
    pub output_kib: u32,
    /// Calls of host functions in one attempt.
    pub host_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 32,
            deadline_ms: 500,
            cpu_ms: 250,
            concurrency: 64,
            queue: 256,
            storage_mib: 1_024,
            table_elements: 20_000,
            log_lines: 100,
            log_kib: 64,
            output_kib: 4_096,
            host_calls: 10_000,
        }
    }
}
