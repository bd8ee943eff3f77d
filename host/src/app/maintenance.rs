//! What an operator does to a store: checks it, copies it, puts a copy in its place.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::capabilities::catalogue::{Catalogue, audit};
use crate::config::Config;
use crate::storage::clock::{Clock as _, SystemClock};
use crate::storage::transaction::Ended;

use super::StartError;
use super::files::DataDirectory;

/// Checks a store: `{records, problems}`.
pub(super) async fn check(catalogue: &Arc<Catalogue>, now_ms: u64) -> Result<Value, Ended> {
    let report = audit(catalogue, now_ms).await?;
    Ok(json!({"records": report.documents + report.entries, "problems": report.told}))
}

/// Checks the store of a host that does not run: `{records, problems}`.
pub async fn verify(config: &Config) -> Result<Value, StartError> {
    let about_data = |error| StartError::Data { directory: config.data.directory.clone(), error };
    let data = DataDirectory::prepare(&config.data.directory).map_err(about_data)?;
    let engine = super::open(&config.data, &data).map_err(about_data)?;
    let now_ms = SystemClock.now_ms();
    let catalogue = Arc::new(Catalogue::load(engine, now_ms).await?);
    check(&catalogue, now_ms).await.map_err(|ended| about_data(std::io::Error::other(ended)))
}
