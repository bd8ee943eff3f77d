//! The plugins of a start: those that the store holds, and those that the plugin directory has beyond them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::config::Sandbox;
use crate::dispatch::Dispatch;
use crate::dispatch::versions::{self, Version};
use crate::manifest::{self, Manifest};

use super::StartError;

/// Where a workspace of plugins has its components, seen from the plugin directory.
const BUILT: &str = "target/wasm32-wasip2/release";
/// The most plugins of a host.
const MAX_PLUGINS: usize = 256;

/// Which version runs where the store and the plugin directory both have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeding {
    /// The one in the store: the directory only adds plugins that are missing there.
    StoreWins,
    /// The one in the directory: for development and for upgrades.
    DirectoryWins,
}

/// A version of a plugin that can't run.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Refused {
    name: String,
    version: String,
    /// Why not, with every reason.
    refused: String,
}

/// Installs what is to run, and stores what was not stored yet. A plugin that can't run is named in the log and in what is
/// returned; the others are served, and so is the stored version of the same plugin.
pub(super) async fn install_all(
    dispatch: &Dispatch,
    directory: &Path,
    seeding: Seeding,
    limits: &Sandbox,
    now_ms: u64,
) -> Result<Vec<Refused>, StartError> {
    let engine = dispatch.engine();
    let (mut refused, mut in_folders) = (Vec::new(), BTreeMap::new());
    let mut stored = versions::names(engine, now_ms).await?;
    for folder in folders(directory)? {
        let manifest = Manifest::load(&folder).map_err(|error| StartError::Plugin(error.to_string()))?;
        let is_stored = stored.contains(&manifest.name);
        if is_stored && seeding == Seeding::StoreWins {
            // Without a component there is nothing to compare with, and nothing is needed.
            let component = component(directory, &folder, &manifest.name, limits).ok();
            in_folders.insert(
                manifest.name.clone(),
                component.map(|component| Version { manifest, component }),
            );
            continue;
        }
        let name = manifest.name.clone();
        let component = component(directory, &folder, &name, limits)?;
        let version = Version { manifest, component };
        if let Err(reason) = install(dispatch, &version).await {
            refused.push(reason);
            continue;
        }
        let is_new = match versions::stored(engine, &name, now_ms).await? {
            Some(before) => before.component != version.component || before.manifest != version.manifest,
            None => true,
        };
        if is_new {
            versions::store(engine, &version, now_ms).await?;
        }
        stored.retain(|other| *other != name);
    }
    for name in stored {
        if let Some(version) = versions::stored(engine, &name, now_ms).await? {
            let number = version.manifest.version.to_string();
            match in_folders.get(&name) {
                Some(Some(other)) if *other != version => {
                    tracing::warn!(target: "plugins", plugin = %name, stored = number, folder = %other.manifest.version,
                        "what the store holds runs, not what is in the folder; `run --upgrade` takes the folder's");
                }
                Some(_) => {}
                None => tracing::warn!(target: "plugins", plugin = %name, stored = number,
                    "runs from the store; the plugin directory does not have it"),
            }
            refused.extend(install(dispatch, &version).await.err());
        }
    }
    Ok(refused)
}

/// Has the plugin run from now on.
async fn install(dispatch: &Dispatch, version: &Version) -> Result<(), Refused> {
    let Manifest {
        name, version: number, ..
    } = &version.manifest;
    match dispatch
        .install(version.manifest.clone(), version.component.clone())
        .await
    {
        Ok(installed) => {
            tracing::info!(target: "plugins", plugin = %name, version = %number, resources = ?installed.resources, "runs");
            Ok(())
        }
        Err(failure) => {
            tracing::error!(target: "plugins", plugin = %name, version = %number, reason = %failure, "is not served");
            dispatch.announce(version.manifest.clone()).await;
            Err(Refused {
                name: name.clone(),
                version: number.to_string(),
                refused: failure.to_string(),
            })
        }
    }
}

/// The folders that hold a plugin, by name.
pub fn folders(directory: &Path) -> Result<Vec<PathBuf>, StartError> {
    if !directory.exists() {
        tracing::warn!(target: "plugins", directory = %directory.display(), "there is no plugin directory");
        return Ok(Vec::new());
    }
    let unreadable = |error| StartError::Plugin(format!("{}: {error}", directory.display()));
    let mut folders = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if folder.join(manifest::FILE_NAME).is_file() {
            folders.push(folder);
        }
    }
    if folders.len() > MAX_PLUGINS {
        let problem = format!("{} holds more than {MAX_PLUGINS} plugins", directory.display());
        return Err(StartError::Plugin(problem));
    }
    folders.sort();
    Ok(folders)
}

/// `NAME.wasm` beside the manifest, or else what the workspace around it has built.
fn component(directory: &Path, folder: &Path, name: &str, limits: &Sandbox) -> Result<Bytes, StartError> {
    let beside = folder.join(format!("{name}.wasm"));
    let built = directory.join(BUILT).join(format!("{}.wasm", name.replace('-', "_")));
    let Some(path) = [&beside, &built].into_iter().find(|path| path.is_file()) else {
        return Err(StartError::Plugin(format!(
            "the plugin `{name}` has no component: neither {} nor {} exists; build it with `cargo build --release --target \
             wasm32-wasip2` in {}, or run `portcullis dev`, which does; only members of the workspace ({}) are built",
            beside.display(),
            built.display(),
            directory.display(),
            directory.join("Cargo.toml").display(),
        )));
    };
    let unreadable = |error| StartError::Plugin(format!("{}: {error}", path.display()));
    let limit = u64::from(limits.component_mib) << 20;
    if fs::metadata(path).map_err(unreadable)?.len() > limit {
        let problem = format!(
            "{} is larger than {} MiB: raise sandbox.component_mib",
            path.display(),
            limits.component_mib
        );
        return Err(StartError::Plugin(problem));
    }
    fs::read(path).map(Bytes::from).map_err(unreadable)
}
