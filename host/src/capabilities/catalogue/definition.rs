//! The catalogue as the store keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::{IndexField, OnErase};

/// All collections; each change makes a new version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// Counts the changes.
    pub(super) version: u64,
    /// Never reused, so that entries of an index that is gone are never taken for those of another.
    pub(super) next_index: u32,
    /// By name.
    pub(super) collections: BTreeMap<String, CollectionDefinition>,
}

/// One collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CollectionDefinition {
    pub(super) plugin: String,
    pub(super) schema: Value,
    pub(super) indexes: Vec<IndexDefinition>,
    #[serde(default)]
    pub(super) on_erase: OnErase,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct IndexDefinition {
    pub(super) id: u32,
    pub(super) fields: Vec<IndexField>,
    pub(super) unique: bool,
    /// What each field may hold in some document: what any schema since the index was declared allows, and what the
    /// builder found.
    pub(super) may_hold: Vec<MayHold>,
    pub(super) state: IndexState,
}

/// What a field may hold in some document, of what decides which questions an index can serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MayHold {
    /// An array: the index then has an entry for each element.
    pub array: bool,
    /// Null, or nothing at all: the document is then in no unique index over the field.
    pub null: bool,
}

impl MayHold {
    /// What is true of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            array: self.array | other.array,
            null: self.null | other.null,
        }
    }
}

/// Where an index is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexState {
    /// Writers maintain it, the builder adds the documents that were there before; it serves nothing yet.
    Building,
    /// It serves queries; a unique one is enforced.
    Ready,
    /// Nothing uses it; its entries are being removed.
    Retiring,
    /// Existing documents can't be indexed. Nothing uses it; declaring it again makes another attempt.
    Failed {
        /// Some of the documents in the way: duplicates, or ones with values that no index takes.
        documents: Vec<String>,
        /// Whether its entries have been removed.
        swept: bool,
    },
}
