//! Goes on with erasures of accounts that were begun: before a crash, or by a client that has gone away since.

use std::sync::Arc;

use super::REST;
use crate::accounts::Accounts;
use crate::capabilities::catalogue::Catalogue;

/// Erases until it is dropped.
pub(super) async fn run(accounts: Arc<Accounts>, catalogue: Arc<Catalogue>) {
    loop {
        if let Err(error) = accounts.go_on_erasing(&catalogue).await {
            tracing::error!(target: "accounts", %error, "an erasure does not go on; trying again");
        }
        tokio::time::sleep(REST).await;
    }
}
