//! `portcullis run`: serves the plugins.

use clap::Args;

use super::failure::Failure;
use super::options::Host;
use super::serve;
use crate::app::Seeding;

/// Serve the plugins.
///
/// Each plugin has a folder in the plugin directory, with its plugin.toml and its component: PLUGIN/PLUGIN.wasm, or else what
/// `cargo build --release --target wasm32-wasip2` has made of the workspace around it.
///
/// When everything is ready, two lines go to stdout: `api http://ADDR` (`https` with TLS) and `admin http://ADDR`; while there was no
/// administrator, a third one, `setup URL`, which makes the first, once and within 15 minutes. SIGTERM and SIGINT let the requests under
/// way end, then stop; SIGHUP reads the configuration again.
#[derive(Args)]
pub(super) struct Run {
    #[command(flatten)]
    host: Host,
    /// Take the plugins as they are in the directory, where the store has other versions of them
    #[arg(long)]
    upgrade: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.host.load()?;
        let seeding = match self.upgrade {
            true => Seeding::DirectoryWins,
            false => Seeding::StoreWins,
        };
        serve::until_stopped(config, &self.host, seeding, async |_| Ok(()))
    }
}
