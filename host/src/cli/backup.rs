//! `portcullis backup`: a copy of a running host's store in a file.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::admin::{Target, block_on};
use super::download;
use super::failure::Failure;
use super::output::Output;

/// Write a copy of a running host's store into a file.
///
/// The copy is of one moment, and holds the whole store. What else is in the data directory is not in it: compiled code, the
/// operator token, and the key without which the cursors that clients hold stop working. The file appears only when it is
/// complete and on the disk. `restore` puts it in the place of a store.
#[derive(Args)]
pub(super) struct Backup {
    /// The file to write, which may not exist yet
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    output: Output,
}

impl Backup {
    pub(super) fn run(self) -> Result<(), Failure> {
        download::must_be_new(&self.file)?;
        let admin = self.target.connect()?;
        let bytes = block_on(async {
            let response = admin.get("/admin/api/backup").await?;
            download::into_new_file(&self.file, response).await
        })?;
        let result = json!({ "file": self.file.display().to_string(), "bytes": bytes });
        self.output
            .print(&result, |_| format!("{bytes} bytes in {}", self.file.display()))
    }
}
