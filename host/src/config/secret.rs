//! Files that hold a secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The largest file of a secret that is read.
const MAX_SECRET_BYTES: u64 = 4_096;

/// The content of a file that nobody but its owner may read; another one is an error that says what to do.
pub fn read_secret(path: &Path) -> io::Result<Vec<u8>> {
    let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(about)?;
    if file.metadata().map_err(about)?.permissions().mode() & 0o077 != 0 {
        let advice = format!("others may read this secret: run `chmod 600 {}`", path.display());
        return Err(about(io::Error::other(advice)));
    }
    let mut content = Vec::new();
    file.take(MAX_SECRET_BYTES).read_to_end(&mut content).map_err(about)?;
    Ok(content)
}
