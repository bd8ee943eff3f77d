//! Restoring a dump: into a new directory, which then takes the place of the store in one step.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::audit::{self, Act, Actor};
use super::disk;
use super::dump_format::Reader;
use super::engine::Engine;
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
/// a damaged one changes nothing. Versions, expiry times, and the change log with its consumers are as they were; the audit
/// log goes on with an entry that tells of this.
pub async fn restore(dump: &Path, directory: &Path, cache_bytes: u64, now_ms: u64) -> io::Result<Restored> {
    let (dump, directory) = (dump.to_owned(), directory.to_owned());
    tokio::task::spawn_blocking(move || replace(&dump, &directory, cache_bytes, now_ms))
        .await
        .map_err(io::Error::other)?
}

fn replace(dump: &Path, directory: &Path, cache_bytes: u64, now_ms: u64) -> io::Result<Restored> {
    Reader::open(BufReader::new(File::open(dump)?))?.read(|_| Ok(()))?;
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    // Held until the swap is done, so that no host starts on a store that is about to go.
    let lock = holds_anything(directory)?.then(|| disk::lock(directory)).transpose()?;
    let new = tempfile::Builder::new().prefix(".restoring-").tempdir_in(parent)?;
    let loaded = load(dump, new.path(), cache_bytes)?;
    // Before the store is in place: no other is ever there without it.
    tell(&loaded, new.path(), cache_bytes, now_ms)?;
    sync_all(new.path())?;
    let kept = swap(new, directory, lock.is_some())?;
    File::open(parent)?.sync_all()?;
    Ok(Restored {
        records: loaded.records,
        kept,
    })
}

/// What is in a new store.
struct Loaded {
    records: u64,
    /// The digest of the dump.
    sha256: String,
}

/// Writes the dump into a new store; checks it once more, for the file may have changed.
fn load(dump: &Path, directory: &Path, cache_bytes: u64) -> io::Result<Loaded> {
    let mut load = Load::into(disk::open_backend(directory, cache_bytes)?);
    let mut file = Hashed {
        file: File::open(dump)?,
        digest: Sha256::new(),
    };
    let dump = Reader::open(BufReader::new(&mut file))?;
    let end = dump.read(|record| load.record(&record.key, record.stored))?;
    Ok(Loaded {
        records: load.finish(end.sequence)?,
        sha256: HEXLOWER.encode(&file.digest.finalize()),
    })
}

/// A file whose digest is made while it is read.
struct Hashed {
    file: File,
    digest: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}

/// Has the audit log of a new store tell which dump it is from.
fn tell(loaded: &Loaded, directory: &Path, cache_bytes: u64, now_ms: u64) -> io::Result<()> {
    let engine: Arc<dyn Engine> = Arc::new(disk::open(directory, cache_bytes)?);
    let act = Act {
        at_ms: now_ms,
        actor: Actor::Console,
        act: "store.restore".to_owned(),
        subject: None,
        detail: json!({ "sha256": loaded.sha256, "records": loaded.records }),
        personal: Vec::new(),
    };
    let told = Handle::current().block_on(audit::record(&engine, &act));
    told.map_err(io::Error::other)
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
