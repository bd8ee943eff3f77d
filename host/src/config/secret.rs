//! Files that hold a secret, or are small.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The largest file of a secret that is read.
const MAX_SECRET_BYTES: u64 = 4_096;

/// The content of a small file that nobody but its owner may read; another one is an error that says what to do.
pub fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    read(path, MAX_SECRET_BYTES, true)
}

/// The same, of at most `limit` bytes.
pub fn read_large_secret(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read(path, limit, true)
}

/// The content of a file of at most `limit` bytes, whoever may read it.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read(path, limit, false)
}

/// Writes a file that only its owner may read: under another name first, so that a crash leaves the whole of it or what was
/// there before. Returns once it is durable.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn read(path: &Path, limit: u64, is_secret: bool) -> io::Result<Vec<u8>> {
    let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(about)?;
    if is_secret && file.metadata().map_err(about)?.permissions().mode() & 0o077 != 0 {
        let advice = format!("others may read this secret: run `chmod 600 {}`", path.display());
        return Err(about(io::Error::other(advice)));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(about)?;
    if content.len() as u64 > limit {
        return Err(about(io::Error::other(format!("it has more than {limit} bytes"))));
    }
    Ok(content)
}
