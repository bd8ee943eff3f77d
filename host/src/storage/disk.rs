//! The engine on disk: sled, with what it needs to survive a power cut.
//!
//! sled syncs its log with `sync_file_range`, which leaves the disk's cache and the file's length alone; `durable.rs` has that
//! sync for real. Each flush is followed by `sync_data` on a descriptor of our own all the same: an acknowledgement does not
//! rest on how the program was linked alone. After opening, the files that sled has made are synced with their directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::panic;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sled::IVec;

use super::engine::{Direction, Range};
use super::keyspace;
use super::local::{self, Backend, Batch, Local};

/// The format that this version writes. A new one comes with a migration from the one before.
const FORMAT: u64 = 1;
const FORMAT_NAME: &str = "format";
/// Where a new store's settings are made, inside its directory.
const ASIDE: &str = "creating";

/// How long a store that is being closed may take to let go of its files.
const CLOSING: Duration = Duration::from_secs(10);
/// What sled says where its lock is held; it has no type for that.
const HELD: &str = "could not acquire lock";

/// The engine on disk.
pub type Disk = Local<DiskBackend>;

/// One sled tree. The fields are dropped in this order: the lock goes last.
pub struct DiskBackend {
    tree: sled::Tree,
    _db: sled::Db,
    data: File,
    _lock: File,
}

/// Opens the store in a directory, which is created where it is missing. `cache_bytes` caps sled's page cache.
pub fn open(directory: &Path, cache_bytes: u64) -> io::Result<Disk> {
    Local::open(open_backend(directory, cache_bytes)?)
}

/// Opens what is below the engine.
pub(super) fn open_backend(directory: &Path, cache_bytes: u64) -> io::Result<DiskBackend> {
    std::fs::create_dir_all(directory)?;
    let lock = lock(directory)?;
    settle_settings(directory)?;
    remove_unfinished_snapshots(directory)?;
    let config = sled::Config::new()
        .path(directory)
        .cache_capacity(cache_bytes)
        .flush_every_ms(None);
    let db = open_once_free(&config)?;
    let data = File::open(directory.join("db"))?;
    sync_files(directory, &data)?;
    let backend = DiskBackend {
        tree: db.open_tree(b"portcullis").map_err(failure)?,
        _db: db,
        data,
        _lock: lock,
    };
    backend.check_format(directory)?;
    Ok(backend)
}

/// Opens sled. Our own lock keeps other processes away; what holds sled's is a store that this process is just closing:
/// sled's threads let go of it a moment after the last handle is dropped.
pub(super) fn open_once_free(config: &sled::Config) -> io::Result<sled::Db> {
    let until = Instant::now() + CLOSING;
    loop {
        // sled panics over some damage.
        match panic::catch_unwind(panic::AssertUnwindSafe(|| config.open())) {
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains(HELD) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(5));
            }
            Ok(opened) => return opened.map_err(failure),
            Err(_) => return Err(damaged()),
        }
    }
}

/// Takes the lock file, so that two processes never write one store.
pub(super) fn lock(directory: &Path) -> io::Result<File> {
    let path = directory.join("portcullis.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!(
                "the store in {} is in use by another process: stop that one first",
                directory.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Makes sled's file of settings durable before sled begins a new store. sled writes it once, in place, and never syncs it:
/// torn by a power cut, it would keep the store from ever being opened. So another store, made aside, gives its own, which
/// is the same for all stores of one version. What an earlier attempt has left there goes.
fn settle_settings(directory: &Path) -> io::Result<()> {
    let aside = directory.join(ASIDE);
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    let settings = directory.join("conf");
    if settings.exists() {
        return Ok(());
    }
    drop(
        sled::Config::new()
            .path(&aside)
            .flush_every_ms(None)
            .open()
            .map_err(failure)?,
    );
    File::open(aside.join("conf"))?.sync_all()?;
    fs::rename(aside.join("conf"), settings)?;
    File::open(directory)?.sync_all()?;
    fs::remove_dir_all(&aside)
}

/// Removes the snapshots that sled was writing when it was cut short. sled would take such a file for its newest snapshot,
/// and refuse the store where it is torn. A snapshot only shortens the reading of the log; the one before is still there.
fn remove_unfinished_snapshots(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes the files that sled has created, and their names, survive a power cut.
fn sync_files(directory: &Path, data: &File) -> io::Result<()> {
    File::open(directory.join("conf"))?.sync_all()?;
    data.sync_all()?;
    File::open(directory)?.sync_all()?;
    directory
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn failure(error: sled::Error) -> io::Error {
    match error {
        sled::Error::Io(error) => error,
        sled::Error::Corruption { .. } => damaged(),
        other => io::Error::other(other),
    }
}

fn damaged() -> io::Error {
    let advice = "the files of the store are damaged: put a backup in their place with `portcullis restore`";
    io::Error::new(io::ErrorKind::InvalidData, advice)
}

/// A value, or a key, without copying it.
fn bytes(raw: IVec) -> Bytes {
    Bytes::from_owner(raw)
}

impl DiskBackend {
    /// Refuses a store of another format; marks a new one.
    fn check_format(&self, directory: &Path) -> io::Result<()> {
        let key = keyspace::meta(FORMAT_NAME);
        let Some(stored) = self.get(&key)? else {
            let format = local::seal_number(&key, FORMAT);
            self.tree.insert(&key, format.as_ref()).map_err(failure)?;
            return self.sync();
        };
        let found = match local::open_number(&key, stored) {
            Some(FORMAT) => return Ok(()),
            Some(other) => format!("format {other}"),
            None => "an unknown format".to_owned(),
        };
        let text = format!(
            "the store in {} has {found}, and this version of portcullis reads format {FORMAT}: run the version that wrote it",
            directory.display()
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}

impl Backend for DiskBackend {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.tree.get(key).map_err(failure)?.map(bytes))
    }

    fn scan(
        &self,
        range: &Range,
        direction: Direction,
        visit: &mut dyn FnMut(Bytes, Bytes) -> ControlFlow<()>,
    ) -> io::Result<()> {
        if range.start >= range.end {
            return Ok(());
        }
        let mut rows = self.tree.range(range.start.as_ref()..range.end.as_ref());
        let mut next = || match direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.next_back(),
        };
        while let Some(row) = next() {
            let (key, value) = row.map_err(failure)?;
            if visit(bytes(key), bytes(value)).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: &Batch) -> io::Result<()> {
        let mut writes = sled::Batch::default();
        for (key, value) in &batch.0 {
            match value {
                Some(value) => writes.insert(key.as_ref(), value.as_ref()),
                None => writes.remove(key.as_ref()),
            }
        }
        self.tree.apply_batch(writes).map_err(failure)
    }

    fn sync(&self) -> io::Result<()> {
        self.tree.flush().map_err(failure)?;
        self.data.sync_data()
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
