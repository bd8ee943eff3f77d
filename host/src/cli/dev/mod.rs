//! `portcullis dev`: builds the plugins, loads sample data into a new store, and serves.

mod sample;

use std::path::Path;

use clap::Args;

use super::failure::Failure;
use super::options::Host;
use super::output::note;
use super::{serve, toolchain};
use crate::app::{Addresses, Seeding};

/// Build the plugins, load sample data into a new store, and serve.
///
/// The plugin directory is a cargo workspace; it is built for wasm32-wasip2, which rustup adds where it is missing. Into a store that is new,
/// the documents of PLUGIN/sample/RESOURCE.jsonl are imported, with the renames of PLUGIN/sample/RESOURCE.rename. The rest is as with `run`.
#[derive(Args)]
pub(super) struct Dev {
    #[command(flatten)]
    host: Host,
    /// Leave a new store empty
    #[arg(long)]
    no_sample: bool,
}

impl Dev {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.host.load()?;
        let plugins = self.host.plugins()?;
        build(&plugins)?;
        let data = config.data.directory.clone();
        let wants_sample = !self.no_sample && sample::is_wanted(&config)?;
        serve::until_stopped(
            config,
            &self.host,
            Seeding::DirectoryWins,
            async |addresses: &Addresses| match wants_sample {
                true => sample::load(addresses, &data, &plugins).await,
                false => Ok(()),
            },
        )
    }
}

fn build(plugins: &Path) -> Result<(), Failure> {
    if !plugins.join("Cargo.toml").is_file() {
        let reason = format!(
            "{} is no cargo workspace; name the plugins' with --plugins",
            plugins.display()
        );
        return Err(Failure::Failed(reason));
    }
    toolchain::ensure_wasm_target(&mut |step| note(step))
        .and_then(|()| {
            note(&format!("building the plugins in {}", plugins.display()));
            toolchain::build_workspace(plugins)
        })
        .map_err(|error| Failure::Failed(error.to_string()))
}
