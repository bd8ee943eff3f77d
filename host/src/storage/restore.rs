//! Restoring a dump: into a new directory, which then takes the place of the store in one step.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use super::disk;
use super::dump_format::Reader;
use super::local::Load;

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The records of the store that is in place now.
    pub records: u64,
    /// Where the store is that was there before.
    pub kept: Option<PathBuf>,
}

/// Puts the dump in the place of the store in `directory`, which nobody may have open. The whole dump is checked first:
/// a damaged one changes nothing. Versions, expiry times, and the change log with its consumers are as they were.
pub async fn restore(dump: &Path, directory: &Path, cache_bytes: u64) -> io::Result<Restored> {
    let (dump, directory) = (dump.to_owned(), directory.to_owned());
    tokio::task::spawn_blocking(move || replace(&dump, &directory, cache_bytes))
        .await
        .map_err(io::Error::other)?
}

fn replace(dump: &Path, directory: &Path, cache_bytes: u64) -> io::Result<Restored> {
    Reader::open(BufReader::new(File::open(dump)?))?.read(|_| Ok(()))?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    // Held until the swap is done, so that no host starts on a store that is about to go.
    let lock = holds_anything(directory)?.then(|| disk::lock(directory)).transpose()?;
    let new = tempfile::Builder::new().prefix(".restoring-").tempdir_in(parent)?;
    let records = load(dump, new.path(), cache_bytes)?;
    sync_all(new.path())?;
    let kept = swap(new, directory, lock.is_some())?;
    File::open(parent)?.sync_all()?;
    Ok(Restored { records, kept })
}

/// Writes the dump into a new store; checks it once more, for the file may have changed.
fn load(dump: &Path, directory: &Path, cache_bytes: u64) -> io::Result<u64> {
    let mut load = Load::into(disk::open_backend(directory, cache_bytes)?);
    let dump = Reader::open(BufReader::new(File::open(dump)?))?;
    let end = dump.read(|record| load.record(&record.key, record.stored))?;
    load.finish(end.sequence)
}

fn holds_anything(directory: &Path) -> io::Result<bool> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes all files below a directory, and their names, survive a power cut.
fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(directory)?.sync_all()
}

/// Puts the new store in its place. The old one goes aside in the same step, so that there is a store at any time.
fn swap(new: TempDir, directory: &Path, occupied: bool) -> io::Result<Option<PathBuf>> {
    if !occupied {
        fs::rename(new.path(), directory)?;
        // Nothing is left to be removed.
        let _ = new.keep();
        return Ok(None);
    }
    renameat_with(CWD, new.path(), CWD, directory, RenameFlags::EXCHANGE)?;
    // This is the old store now: from here on it may not be removed.
    let old = new.keep();
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(jiff::Timestamp::now().strftime(".%Y%m%dT%H%M%S%.3fZ").to_string());
    let kept = directory.with_file_name(name);
    // The restored store is in place, whatever the old one is called.
    Ok(Some(match fs::rename(&old, &kept) {
        Ok(()) => kept,
        Err(_) => old,
    }))
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
