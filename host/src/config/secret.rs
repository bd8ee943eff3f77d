//! Files that hold a secret, or are small.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
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
