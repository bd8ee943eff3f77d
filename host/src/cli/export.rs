//! `portcullis export`: the documents of a resource as lines of JSON.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::admin::{Target, block_on};
use super::download;
use super::failure::Failure;
use super::import::resource_name;
use super::output::note;

/// Write the documents of a resource, one JSON object a line.
///
/// The documents come with their id, owner and times, in the order of their ids. A file appears only when it is complete.
#[derive(Args)]
pub(super) struct Export {
    /// The resource
    #[arg(value_parser = resource_name)]
    resource: String,
    /// The file to write, which may not exist yet; stdout without it
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.file.as_deref().map_or(Ok(()), download::must_be_new)?;
        let admin = self.target.connect()?;
        block_on(async {
            let response = admin.get(&format!("/admin/api/export/{}", self.resource)).await?;
            match &self.file {
                Some(file) => {
                    let bytes = download::into_new_file(file, response).await?;
                    note(&format!("{bytes} bytes in {}", file.display()));
                }
                None => {
                    download::into(&mut io::stdout().lock(), response).await?;
                }
            }
            Ok(())
        })
    }
}
