//! Long answers of the host, to stdout or into a file that appears only when it is whole.

use std::io::{self, Write};
use std::path::Path;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;

use super::admin::causes;
use super::failure::Failure;

/// Refuses a file that exists: nothing is ever overwritten.
pub(super) fn must_be_new(path: &Path) -> Result<(), Failure> {
    match path.exists() {
        true => Err(Failure::Failed(format!(
            "{} exists already; name another file",
            path.display()
        ))),
        false => Ok(()),
    }
}

/// Writes the body beside the file, and renames it when it is whole and on the disk. Gives the number of bytes.
pub(super) async fn into_new_file(path: &Path, response: Response<Incoming>) -> Result<u64, Failure> {
    let cannot = |error: io::Error| Failure::Failed(format!("cannot write {}: {error}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    let bytes = into(&mut part, response).await?;
    part.as_file().sync_all().map_err(cannot)?;
    part.persist_noclobber(path).map_err(|error| cannot(error.error))?;
    let folder = std::fs::File::open(folder).map_err(cannot)?;
    folder.sync_all().map_err(cannot)?;
    Ok(bytes)
}

/// Writes the body as it comes.
pub(super) async fn into(out: &mut impl Write, response: Response<Incoming>) -> Result<u64, Failure> {
    let cannot = |error: io::Error| Failure::Failed(format!("cannot write: {error}"));
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Failed(format!("the answer broke off: {}", causes(&error))))?;
        if let Some(data) = frame.data_ref() {
            out.write_all(data).map_err(cannot)?;
            bytes += data.len() as u64;
        }
    }
    out.flush().map_err(cannot)?;
    Ok(bytes)
}
