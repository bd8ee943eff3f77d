//! The versions of plugins that the store holds: what runs after a restart, whatever the plugin directory says by then.

use std::sync::Arc;

use bytes::Bytes;

use crate::manifest::{Manifest, StoredManifestError};
use crate::storage::engine::{Direction, Engine};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};

/// The parts of a stored version.
const MANIFEST: &str = "manifest";
const COMPONENT: &str = "component";

/// A version as it is stored.
pub struct Version {
    /// What the plugin asks for.
    pub manifest: Manifest,
    /// Its component.
    pub component: Bytes,
}

/// Why there is no version to be had.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The store.
    #[error(transparent)]
    Store(#[from] Ended),
    /// What is stored.
    #[error(transparent)]
    Manifest(#[from] StoredManifestError),
    /// Half of it is gone.
    #[error("the stored plugin `{0}` has no component: run `portcullis verify`")]
    Incomplete(String),
}

/// The stored version of a plugin.
pub async fn stored(engine: &Arc<dyn Engine>, name: &str, now_ms: u64) -> Result<Option<Version>, VersionError> {
    let mut transaction = Transaction::begin(Arc::clone(engine), now_ms);
    let Some(manifest) = transaction.get(&keyspace::plugin(name, MANIFEST)).await? else {
        return Ok(None);
    };
    let component = transaction.get(&keyspace::plugin(name, COMPONENT)).await?;
    let component = component.ok_or_else(|| VersionError::Incomplete(name.to_owned()))?;
    transaction.abandon().await?;
    Ok(Some(Version {
        manifest: Manifest::decode(&manifest)?,
        component,
    }))
}

/// Stores a version in the place of the one before.
pub async fn store(engine: &Arc<dyn Engine>, version: &Version, now_ms: u64) -> Result<(), VersionError> {
    let mut transaction = Transaction::begin(Arc::clone(engine), now_ms);
    let name = &version.manifest.name;
    transaction.put(keyspace::plugin(name, MANIFEST), version.manifest.encode().into(), None);
    transaction.put(keyspace::plugin(name, COMPONENT), version.component.clone(), None);
    transaction.commit().await?;
    Ok(())
}

/// The names of the plugins that the store holds.
pub async fn names(engine: &Arc<dyn Engine>, now_ms: u64) -> Result<Vec<String>, VersionError> {
    let mut transaction = Transaction::begin(Arc::clone(engine), now_ms);
    let mut names = Vec::new();
    // Name by name, each time behind all the parts of the one before: the values are components, too large to scan.
    let mut range = keyspace::plugins();
    while let [(key, _)] = transaction.scan(&range, None, 1, Direction::Forward).await?.as_slice() {
        let Some(name) = keyspace::plugin_name(key) else { break };
        names.push(name.to_owned());
        range.start = keyspace::plugin_parts(name).end;
    }
    transaction.abandon().await?;
    Ok(names)
}
