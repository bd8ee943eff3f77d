//! Compiled code on disk. Loading it runs it, so only what this host wrote itself is loaded: each file carries a MAC
//! under a key that never leaves the data directory.

use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The file with the key.
const KEY_FILE: &str = "key";
/// The ending of files with code.
const EXTENSION: &str = "cwasm";
/// The length of a MAC.
const MAC_BYTES: usize = 32;
/// How many versions of plugins are kept compiled.
const MAX_FILES: usize = 256;

/// The directory of compiled code.
pub(super) struct CodeCache {
    directory: PathBuf,
    key: [u8; 32],
    /// What the code depends on besides the component: the version and the settings of the compiler.
    compatibility: u64,
}

impl CodeCache {
    /// Opens the directory, creating it and its key where they are missing, and removes code of other hosts.
    pub(super) fn open(directory: &Path, engine: &Engine) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Self {
            directory: directory.to_owned(),
            key: read_or_make_key(directory)?,
            compatibility: hasher.finish(),
        };
        cache.remove_stale()?;
        Ok(cache)
    }

    /// The compiled code of the component with this digest. What is missing, damaged or forged counts as absent; an
    /// error means that the engine has no room for such a component.
    pub(super) fn load(&self, engine: &Engine, digest: &[u8; 32]) -> wasmtime::Result<Option<Component>> {
        let path = self.path(digest);
        let contents = match fs::read(&path) {
            Ok(contents) => contents,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(target: "sandbox", path = %path.display(), %error, "compiled code can't be read");
                }
                return Ok(None);
            }
        };
        let Some((mac, code)) = contents.split_at_checked(MAC_BYTES) else {
            tracing::warn!(target: "sandbox", path = %path.display(), "compiled code is cut off");
            return Ok(None);
        };
        if self.mac(digest, code).verify_slice(mac).is_err() {
            tracing::warn!(target: "sandbox", path = %path.display(), "compiled code is not what this host wrote");
            return Ok(None);
        }
        deserialize(engine, code).map(Some)
    }

    /// Keeps compiled code: after a crash the file is there whole or not at all.
    pub(super) fn store(&self, digest: &[u8; 32], code: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.directory)?;
        file.write_all(&self.mac(digest, code).finalize().into_bytes())?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(self.path(digest))?;
        File::open(&self.directory)?.sync_all()?;
        self.remove_oldest()
    }

    fn path(&self, digest: &[u8; 32]) -> PathBuf {
        let digest = hex(digest);
        self.directory
            .join(format!("{digest}-{:016x}.{EXTENSION}", self.compatibility))
    }

    /// A MAC over the code and what it is the code of, so that no file can stand in for another.
    fn mac(&self, digest: &[u8; 32], code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&self.compatibility.to_le_bytes());
        mac.update(digest);
        mac.update(code);
        mac
    }

    /// Removes code that another version of this host compiled.
    fn remove_stale(&self) -> io::Result<()> {
        let ours = format!("-{:016x}.{EXTENSION}", self.compatibility);
        for (path, _) in self.files()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(&ours) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut files = self.files()?;
        let surplus = files.len().saturating_sub(MAX_FILES);
        files.sort_by_key(|(_, modified)| *modified);
        for (path, _) in files.into_iter().take(surplus) {
            remove(&path)?;
        }
        Ok(())
    }

    /// The files with code, with the times when they were written. Another load may be removing some of them.
    fn files(&self) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Some(metadata) = unless_gone(entry.metadata())?
            {
                files.push((path, metadata.modified()?));
            }
        }
        Ok(files)
    }
}

/// Removes a file; another load may have been faster.
fn remove(path: &Path) -> io::Result<()> {
    unless_gone(fs::remove_file(path)).map(|_| ())
}

/// What was found; nothing where the file is gone.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Makes a component of compiled code.
#[allow(
    unsafe_code,
    reason = "the code was authenticated by `CodeCache::load`: our own compiler made it for this engine, and it is in \
              memory, where nobody can change it any more"
)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    unsafe { Component::deserialize(engine, code) }
}

fn read_or_make_key(directory: &Path) -> io::Result<[u8; 32]> {
    let path = directory.join(KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let key = bytes.try_into().map_err(|_| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} has another length than 32 bytes: remove it", path.display()),
                )
            })?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path),
        Err(error) => Err(error),
    }
}

fn make_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
