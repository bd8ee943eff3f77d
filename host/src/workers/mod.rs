//! What runs without a request: building indexes, removing what has expired, trimming the change log, erasing accounts,
//! and doing what waits in the outbox.

mod erasure;
pub mod mail;
pub mod outbox;

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt as _;
use tokio::task::JoinSet;

use crate::accounts::Accounts;
use crate::capabilities::catalogue::{Catalogue, build_indexes};
use crate::storage::change_log::{self, TRIMMED_AT_A_TIME};
use crate::storage::clock::Clock;
use crate::storage::engine::{Engine, Unavailable};
use crate::storage::expiry;
use crate::storage::outbox::Outbox;
use outbox::Targets;

/// How long a worker rests when there is little to do, or when something went wrong.
const REST: Duration = Duration::from_secs(5);

/// The workers of a host; dropping this ends them, at any moment without harm.
pub struct Workers(#[allow(dead_code, reason = "held so that the tasks end with it")] JoinSet<()>);

/// Starts the workers.
pub fn start(
    catalogue: &Arc<Catalogue>,
    accounts: &Arc<Accounts>,
    targets: Targets,
    clock: &Arc<dyn Clock>,
) -> Workers {
    let mut tasks = JoinSet::new();
    tasks.spawn(indexes(Arc::clone(catalogue), Arc::clone(clock)));
    tasks.spawn(expiry(Arc::clone(catalogue.engine()), Arc::clone(clock)));
    tasks.spawn(trim(Arc::clone(catalogue.engine()), Arc::clone(clock)));
    tasks.spawn(erasure::run(Arc::clone(accounts), Arc::clone(catalogue)));
    let outbox = Outbox::of(Arc::clone(catalogue.engine()));
    tasks.spawn(outbox::run(outbox, targets, Arc::clone(clock)));
    Workers(tasks)
}

/// Builds indexes whenever the catalogue changes.
async fn indexes(catalogue: Arc<Catalogue>, clock: Arc<dyn Clock>) {
    let mut versions = catalogue.versions();
    loop {
        versions.mark_unchanged();
        if let Err(error) = build_indexes(&catalogue, || clock.now_ms()).await {
            tracing::error!(target: "workers", %error, "indexes are not built; trying again");
            tokio::time::sleep(REST).await;
        } else if versions.changed().await.is_err() {
            return;
        }
    }
}

/// Removes what has expired.
async fn expiry(engine: Arc<dyn Engine>, clock: Arc<dyn Clock>) {
    let expire = || expiry::expire(&engine, clock.now_ms()).map_ok(|expired| expired.more);
    page_by_page("expired values stay", expire).await;
}

/// Trims the change log behind its consumers.
async fn trim(engine: Arc<dyn Engine>, clock: Arc<dyn Clock>) {
    let trim = || change_log::trim(&engine, clock.now_ms()).map_ok(|trimmed| trimmed >= TRIMMED_AT_A_TIME);
    page_by_page("the change log is not trimmed", trim).await;
}

/// Removes page by page, and rests where that was the last one: what comes bit by bit goes in few commits.
async fn page_by_page<F>(failed: &'static str, mut remove: impl FnMut() -> F)
where
    F: Future<Output = Result<bool, Unavailable>>,
{
    loop {
        match remove().await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(REST).await,
            Err(error) => {
                tracing::error!(target: "workers", %error, "{failed}; trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}
