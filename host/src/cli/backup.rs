//! `portcullis backup`: a copy of a running host's store in a file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;

use super::admin::{Target, block_on, causes};
use super::failure::Failure;
use super::output::Output;

/// Write a copy of a running host's store into a file.
///
/// The copy is of one moment, and holds everything but compiled code and the operator token. The file appears only when
/// it is complete and on the disk.
#[derive(Args)]
pub(super) struct Backup {
    /// The file to write; it may not exist yet
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.file.exists() {
            let reason = format!("{} exists already; name another file", self.file.display());
            return Err(Failure::Failed(reason));
        }
        let admin = self.target.connect()?;
        let bytes = block_on(async {
            let body = admin.get("/admin/api/backup").await?.into_body();
            write(&self.file, body).await
        })?;
        let result = json!({ "file": self.file.display().to_string(), "bytes": bytes });
        self.output
            .print(&result, |_| format!("{bytes} bytes in {}", self.file.display()))
    }
}

/// Writes the body beside the file, and renames it when it is whole.
async fn write(path: &Path, mut body: Incoming) -> Result<u64, Failure> {
    let cannot = |error: io::Error| Failure::Failed(format!("cannot write {}: {error}", path.display()));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Failed(format!("the backup broke off: {}", causes(&error))))?;
        if let Some(data) = frame.data_ref() {
            part.write_all(data).map_err(cannot)?;
            bytes += data.len() as u64;
        }
    }
    part.as_file().sync_all().map_err(cannot)?;
    part.persist_noclobber(path).map_err(|error| cannot(error.error))?;
    let folder = std::fs::File::open(folder).map_err(cannot)?;
    folder.sync_all().map_err(cannot)?;
    Ok(bytes)
}
