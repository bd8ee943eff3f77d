//! `portcullis restore`: puts a copy made by `backup` in the place of a store.

use std::path::PathBuf;

use clap::Args;

use super::admin::block_on;
use super::failure::Failure;
use super::options::Files;
use super::output::Output;
use crate::app;

/// Put a copy made by `backup` in the place of a store.
///
/// The copy is checked and written into a new directory, which then takes the place of the store; the store that was there
/// is kept beside it. The host of the data directory may not be running. A damaged copy changes nothing.
#[derive(Args)]
pub(super) struct Restore {
    /// The copy
    file: PathBuf,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    output: Output,
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.files.load()?;
        let restored = block_on(async { Ok(app::restore(&config, &self.file).await) })?;
        let restored = restored.map_err(|error| Failure::Failed(error.to_string()))?;
        self.output.print(&restored, |restored| {
            let records = &restored["records"];
            match restored["kept"].as_str() {
                Some(kept) => format!("{records} records restored; the store that was there is {kept}"),
                None => format!("{records} records restored"),
            }
        })
    }
}
