//! What a plugin asks for: the shape of `plugin.toml`, its parsing and its validation. Uses no other layer.

mod annotations;
mod diagnostic;
mod files;
mod indexes;
mod limits;
mod model;
mod names;
mod raw;
pub mod schema;
mod validate;
mod wish;
mod wording;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use annotations::{Annotations, FieldPath};
pub use diagnostic::{Diagnostic, Diagnostics, SourceError};
pub(crate) use diagnostic::{Source, read_text};
pub use indexes::{MAX_INDEX_FIELDS, MAX_INDEXES};
pub use limits::Limits;
pub use model::{
    Access, AccessWord, Action, CollectionWish, IndexField, Instances, Manifest, OnErase, Resource, Wants,
};
pub use names::{MAX_NAME_BYTES, RESERVED_FIELDS, RESERVED_RESOURCES, is_plugin_name, is_resource_name, is_role_name};
pub(crate) use raw::{RawLimits, RawWish};
pub(crate) use validate::limits_within_bounds;
pub(crate) use wish::wish;
pub(crate) use wording::unknown;

/// The name of the file in a plugin's folder.
pub const FILE_NAME: &str = "plugin.toml";
/// The largest manifest.
pub const MAX_MANIFEST_BYTES: u64 = 128 * 1024;

/// A manifest that the store holds and this host can't read.
#[derive(Debug, thiserror::Error)]
#[error("the stored manifest is unreadable: {0}")]
pub struct StoredManifestError(#[from] serde_json::Error);

impl Manifest {
    /// Reads `plugin.toml` of a folder, and the schemas that it names.
    pub fn load(folder: &Path) -> Result<Self, SourceError> {
        let path = folder.join(FILE_NAME);
        let text = read_text(&path, MAX_MANIFEST_BYTES)?;
        Self::parse(&path.display().to_string(), &text, &|name| {
            files::read_schema(folder, name)
        })
        .map_err(SourceError::Invalid)
    }

    /// Reads the text of a manifest, called `file` in complaints. `schema_text` gives the text of a schema by the path that
    /// the manifest names, or says why it can't.
    pub fn parse(
        file: &str,
        text: &str,
        schema_text: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, Diagnostics> {
        let mut source = Source::new(file, text);
        let raw = source.parse()?;
        let manifest = validate::manifest(raw, &mut source, schema_text);
        source.finish(manifest)
    }

    /// The form that the store keeps, schemas included.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("a manifest is plain data: {error}"))
    }

    /// The manifest from what [`Manifest::encode`] gave.
    pub fn decode(stored: &[u8]) -> Result<Self, StoredManifestError> {
        Ok(serde_json::from_slice(stored)?)
    }
}
