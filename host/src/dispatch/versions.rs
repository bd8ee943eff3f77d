//! The versions of plugins that the store holds: what runs after a restart, whatever the plugin directory says by then.

use std::sync::Arc;

use bytes::Bytes;

use crate::manifest::{Manifest, StoredManifestError};
use crate::storage::engine::{Direction, Engine, Key, MAX_SCAN_ROWS};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};

/// A part of a stored version; the component is in others, `component/00` and on.
const MANIFEST: &str = "manifest";
/// The component is stored in pieces: a value of the store has a limit, and components of some languages are beyond it.
const PIECE_BYTES: usize = 8 << 20;

/// A version as it is stored.
#[derive(Clone, Debug, PartialEq)]
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
    let mut pieces = Vec::new();
    while let Some(piece) = transaction.get(&piece_key(name, pieces.len())).await? {
        pieces.push(piece);
    }
    transaction.abandon().await?;
    let component = match pieces.len() {
        0 => return Err(VersionError::Incomplete(name.to_owned())),
        1 => pieces.remove(0),
        _ => pieces.concat().into(),
    };
    Ok(Some(Version {
        manifest: Manifest::decode(&manifest)?,
        component,
    }))
}

fn piece_key(name: &str, number: usize) -> Key {
    keyspace::plugin(name, &format!("component/{number:02}"))
}

/// Stores a version in the place of the one before.
pub async fn store(engine: &Arc<dyn Engine>, version: &Version, now_ms: u64) -> Result<(), VersionError> {
    let mut transaction = Transaction::begin(Arc::clone(engine), now_ms);
    let name = &version.manifest.name;
    let parts = keyspace::plugin_parts(name);
    for key in transaction
        .scan_keys(&parts, None, MAX_SCAN_ROWS, Direction::Forward)
        .await?
    {
        transaction.delete(key);
    }
    transaction.put(keyspace::plugin(name, MANIFEST), version.manifest.encode().into(), None);
    for (number, piece) in version.component.chunks(PIECE_BYTES).enumerate() {
        transaction.put(piece_key(name, number), version.component.slice_ref(piece), None);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_COMPONENT_MIB;
    use crate::storage::memory;

    fn version(bytes: usize) -> Version {
        let manifest = Manifest::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/catalog").as_ref()).unwrap();
        let component: Vec<u8> = (0..bytes).map(|number| (number / 7) as u8).collect();
        let component = component.into();
        Version { manifest, component }
    }

    #[tokio::test]
    async fn a_component_of_any_size_comes_back_and_takes_the_place_of_the_one_before() {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        for bytes in [(MAX_COMPONENT_MIB as usize) << 20, 3 * PIECE_BYTES, 10] {
            let version = version(bytes);
            store(&engine, &version, 0).await.unwrap();
            let stored = stored(&engine, "catalog", 0).await.unwrap().unwrap();
            assert!(stored.component == version.component, "{bytes} bytes");
            assert_eq!(stored.manifest, version.manifest);
            assert_eq!(names(&engine, 0).await.unwrap(), ["catalog"]);
        }
    }
}
