//! Files that a manifest names: only those inside its own folder.

use std::path::{Component, Path};

use super::diagnostic::{SourceError, read_text};
use super::schema::MAX_SCHEMA_BYTES;

/// The text of a schema in `folder`, or why not.
pub(super) fn read_schema(folder: &Path, name: &str) -> Result<String, String> {
    let path = folder.join(name);
    // A symbolic link could still lead out, so the resolved paths are compared.
    let inside = match (folder.canonicalize(), path.canonicalize()) {
        (Ok(folder), Ok(path)) => path.starts_with(folder),
        (_, Err(error)) | (Err(error), _) => return Err(format!("cannot read `{name}`: {error}")),
    };
    if !inside {
        return Err(format!("`{name}` leads out of the plugin's folder"));
    }
    read_text(&path, MAX_SCHEMA_BYTES).map_err(|error| match error {
        SourceError::Unreadable { reason, .. } => format!("cannot read `{name}`: {reason}"),
        SourceError::Invalid(diagnostics) => diagnostics.to_string(),
    })
}

/// Whether a path is relative and stays below where it starts.
pub(super) fn stays_inside(name: &str) -> bool {
    !name.is_empty()
        && !name.contains('\\')
        && Path::new(name)
            .components()
            .all(|component| matches!(component, Component::Normal(_) | Component::CurDir))
}
