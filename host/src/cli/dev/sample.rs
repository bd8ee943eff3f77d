//! Sample data: the documents that plugins bring along to try them out.

use std::path::{Path, PathBuf};

use crate::app::Addresses;
use crate::cli::admin::{self, Admin};
use crate::cli::failure::Failure;
use crate::cli::import::{self, Renames};
use crate::cli::output::note;

/// Imports every sample of the plugins.
pub(super) async fn load(addresses: &Addresses, data: &Path, plugins: &Path) -> Result<(), Failure> {
    let admin = Admin::new(&format!("http://{}", addresses.admin), &admin::token(data)?)?;
    for file in samples(plugins)? {
        let Some(resource) = file.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        note(&format!("loading the sample {}", file.display()));
        let outcome = import::file(&admin, resource, &file, &renames(&file.with_extension("rename"))?).await?;
        note(&outcome.to_string());
    }
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
