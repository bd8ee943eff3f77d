//! What `run` and `dev` share: the log, the runtime, the host, and the lines that say where it listens.

use super::failure::Failure;
use super::options::Host;
use super::output;
use crate::app::{self, Addresses, Ready, Seeding};
use crate::config::Config;
use crate::telemetry;

/// Serves until a signal says stop. `prepare` runs once the host listens, and before the addresses are printed.
pub(super) fn until_stopped(
    config: Config,
    host: &Host,
    seeding: Seeding,
    prepare: impl AsyncFnOnce(&Addresses) -> Result<(), Failure>,
) -> Result<(), Failure> {
    telemetry::start(&config.log).map_err(Failure::Failed)?;
    let again = host.clone();
    let options = app::Options {
        config,
        // With the flags folded in, as at the start: they are no change of the file.
        reload: Box::new(move || again.load().map_err(Failure::reason)),
        plugins: host.plugins()?,
        seeding,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let announce = async {
            // Without a message the host has failed, and says why itself.
            let Ok(Ready { addresses, setup }) = is_ready.await else {
                return Ok(());
            };
            prepare(&addresses).await?;
            let setup = setup.map(|url| format!("\nsetup {url}")).unwrap_or_default();
            output::line(&format!(
                "api {}\nadmin {}{setup}",
                addresses.api_url(),
                addresses.admin_url()
            ))
        };
        let serve = async {
            let served = app::run(options, ready).await;
            served.map_err(|error| Failure::Failed(error.to_string()))
        };
        tokio::try_join!(serve, announce).map(|_| ())
    })
}
