//! `portcullis export`: the documents of a resource as lines of JSON.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use http_body_util::BodyExt as _;

use super::admin::{Target, block_on, causes};
use super::failure::Failure;
use super::import::resource_name;

/// Write the documents of a resource, one JSON object a line.
///
/// The documents are those of one moment, with their id, owner and times, in the order of their ids.
#[derive(Args)]
pub(super) struct Export {
    /// The resource
    #[arg(value_parser = resource_name)]
    resource: String,
    /// The file to write; stdout without it
    file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl Export {
    pub(super) fn run(self) -> Result<(), Failure> {
        let admin = self.target.connect()?;
        block_on(async {
            let mut body = admin
                .get(&format!("/admin/api/export/{}", self.resource))
                .await?
                .into_body();
            let mut out: Box<dyn io::Write> = match &self.file {
                Some(path) => Box::new(io::BufWriter::new(std::fs::File::create(path).map_err(cannot_write)?)),
                None => Box::new(io::stdout().lock()),
            };
            while let Some(frame) = body.frame().await {
                let frame =
                    frame.map_err(|error| Failure::Failed(format!("the export broke off: {}", causes(&error))))?;
                if let Some(data) = frame.data_ref() {
                    out.write_all(data).map_err(cannot_write)?;
                }
            }
            out.flush().map_err(cannot_write)
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn cannot_write(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot write: {error}"))
}
