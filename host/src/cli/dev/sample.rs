//! Sample data: the documents that plugins bring along to try them out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::{self, Addresses};
use crate::cli::admin::{self, Admin};
use crate::cli::failure::Failure;
use crate::cli::import::{self, Renames};
use crate::cli::output::note;
use crate::config::{Config, EngineKind};

/// In the data directory of a store that is still to get the samples: a start that fails does not lose them.
const MARK: &str = "wants-sample";

/// Whether the store is new, or was so when a start before this one did not come to the samples.
pub(super) fn is_wanted(config: &Config) -> Result<bool, Failure> {
    let directory = &config.data.directory;
    let mark = directory.join(MARK);
    if config.data.engine == EngineKind::Memory {
        return Ok(true);
    }
    let is_wanted = app::prepare_data(directory).and_then(|has_store| {
        if !has_store {
            fs::write(&mark, "")?;
        }
        Ok(mark.exists())
    });
    is_wanted.map_err(|error| Failure::Failed(format!("the data directory {}: {error}", directory.display())))
}

/// Imports every sample of the plugins.
pub(super) async fn load(addresses: &Addresses, data: &Path, plugins: &Path) -> Result<(), Failure> {
    let admin = Admin::new(&addresses.admin_url(), &admin::token(data)?)?;
    for file in samples(plugins)? {
        let Some(resource) = file.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        note(&format!("loading the sample {}", file.display()));
        let outcome = import::file(&admin, resource, &file, &renames(&file.with_extension("rename"))?).await?;
        note(&outcome.to_string());
    }
    // It is not there where the store is in memory.
    let _ = fs::remove_file(data.join(MARK));
    Ok(())
}

/// `PLUGIN/sample/RESOURCE.jsonl` of every plugin, in the order of their names.
fn samples(plugins: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut samples = Vec::new();
    for plugin in entries(plugins)? {
        let folder = plugin.join("sample");
        if folder.is_dir() {
            samples.extend(entries(&folder)?);
        }
    }
    samples.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    samples.sort();
    Ok(samples)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read =
        || -> std::io::Result<Vec<PathBuf>> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    read().map_err(|error| Failure::Failed(format!("cannot read {}: {error}", folder.display())))
}

fn renames(file: &Path) -> Result<Renames, Failure> {
    match std::fs::read_to_string(file) {
        Ok(text) => Renames::parse(&text).map_err(|reason| Failure::Failed(format!("{}: {reason}", file.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Renames::default()),
        Err(error) => Err(Failure::Failed(format!("cannot read {}: {error}", file.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_fails_does_not_lose_the_samples() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.directory = folder.path().join("data");
        assert!(is_wanted(&config).unwrap());
        // The store is made, and then a port is taken.
        fs::create_dir(config.data.directory.join("db")).unwrap();
        assert!(is_wanted(&config).unwrap());
        fs::remove_file(config.data.directory.join(MARK)).unwrap();
        assert!(!is_wanted(&config).unwrap());
    }
}
