//! A host in memory, so that a plugin's logic is tested natively with plain `cargo test`.
//!
//! ```
//! use portcullis_sdk::testing::Host;
//! use portcullis_sdk::{Crud, Json, Problem, Result, Document, documents};
//! use serde_json::json;
//!
//! struct Notes;
//!
//! impl Crud for Notes {
//!     fn create(collection: &str, body: Json) -> Result<Document> {
//!         if body.to_value()?["text"] == "" {
//!             return Err(Problem::invalid("/text", "A note says something."));
//!         }
//!         documents::insert(collection, &body)
//!     }
//! }
//!
//! let host = Host::new().collection("notes");
//! let note = host.call(|| Notes::create("notes", json!({ "text": "milk" }).into())).unwrap();
//! assert_eq!(note.revision, 1);
//! assert!(host.call(|| Notes::create("notes", json!({ "text": "" }).into())).is_err());
//! assert_eq!(host.documents("notes").len(), 1);
//! ```
//!
//! [`Host::for_plugin`] takes collections, schemas and unique fields from the plugin's own `plugin.toml`.
//!
//! It does what the real host does: schemas and unique fields are checked, ids and revisions are given, filters and sorts
//! follow the same order of values, a call that fails leaves nothing written, and a plugin reaches only what its manifest
//! names. It has no scopes, no indexes (so no query is refused for the lack of one) and no limits of memory or time.

mod bucket;
mod collection;
pub(crate) mod current;
mod host;
mod manifest;
mod query;

pub use host::Host;
