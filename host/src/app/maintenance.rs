//! What an operator does to a store: checks it, copies it, puts a copy in its place.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::accounts::Accounts;
use crate::capabilities::catalogue::{Catalogue, audit};
use crate::config::{Config, EngineKind};
use crate::http::Chunks;
use crate::storage::clock::{Clock as _, SystemClock};
use crate::storage::engine::Engine;
use crate::storage::{dump, restore as restoring, verify as verifying};

use super::StartError;
use super::files::DataDirectory;

/// Checks a store: `{records, problems}`.
pub(super) async fn check(catalogue: &Arc<Catalogue>, now_ms: u64) -> io::Result<Value> {
    let records = verifying::verify(catalogue.engine()).await.map_err(io::Error::other)?;
    let report = audit(catalogue, now_ms).await.map_err(io::Error::other)?;
    let problems: Vec<String> = records.problems.into_iter().chain(report.told).collect();
    Ok(json!({"records": records.records, "problems": problems}))
}

/// A copy of a store, of one state.
pub(super) fn backup(engine: &Arc<dyn Engine>, now_ms: u64) -> Chunks {
    Box::pin(dump::dump(Arc::clone(engine), now_ms))
}

/// Checks the store of a host that does not run: `{records, problems}`.
pub async fn verify(config: &Config) -> Result<Value, StartError> {
    let about_data = |error| StartError::Data {
        directory: config.data.directory.clone(),
        error,
    };
    let data = existing(config)?;
    let engine = super::open(&config.data, &data).map_err(about_data)?;
    let now_ms = SystemClock.now_ms();
    let catalogue = Arc::new(Catalogue::load(engine, now_ms).await?);
    check(&catalogue, now_ms).await.map_err(about_data)
}

/// The data directory of a host that has run.
fn existing(config: &Config) -> Result<DataDirectory, StartError> {
    let about_data = |error| StartError::Data {
        directory: config.data.directory.clone(),
        error,
    };
    if !DataDirectory::has_store(&config.data.directory) {
        let advice = "there is no store: name the directory of one with --data";
        return Err(about_data(io::Error::new(io::ErrorKind::NotFound, advice)));
    }
    DataDirectory::prepare(&config.data.directory).map_err(about_data)
}

/// What came of reaching for the store of a host that may run.
pub enum Reached {
    /// Nobody has it open but this process.
    Accounts(Box<Accounts>, Arc<Catalogue>),
    /// A process has it open.
    InUse,
}

/// The accounts in the store of a host that does not run, and its collections.
pub async fn accounts(config: &Config) -> Result<Reached, StartError> {
    let about_data = |error| StartError::Data {
        directory: config.data.directory.clone(),
        error,
    };
    let data = existing(config)?;
    let engine = match super::open(&config.data, &data) {
        Ok(engine) => engine,
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Ok(Reached::InUse),
        Err(error) => return Err(about_data(error)),
    };
    let secrets = super::secrets::load(config, &data)?;
    let catalogue = Catalogue::load(Arc::clone(&engine), SystemClock.now_ms()).await?;
    let accounts = Accounts::new(engine, Arc::new(SystemClock), config.accounts.clone(), secrets);
    let accounts = accounts.map_err(StartError::Accounts)?;
    Ok(Reached::Accounts(Box::new(accounts), Arc::new(catalogue)))
}

/// Puts a copy in the place of the store of a host that does not run: `{records, kept}`, where `kept` is where the store
/// that was there is now.
pub async fn restore(config: &Config, copy: &Path) -> Result<Value, StartError> {
    let about_data = |error| StartError::Data {
        directory: config.data.directory.clone(),
        error,
    };
    if config.data.engine == EngineKind::Memory {
        return Err(about_data(io::Error::other(
            "a store in memory can't be restored: set `[data] engine` to \"sled\"",
        )));
    }
    let data = DataDirectory::prepare(&config.data.directory).map_err(about_data)?;
    let cache_bytes = u64::from(config.data.cache_mib) << 20;
    let restored = restoring::restore(copy, &data.store(), cache_bytes, SystemClock.now_ms()).await;
    let restored = restored.map_err(|error| StartError::Copy {
        copy: copy.to_owned(),
        directory: config.data.directory.clone(),
        error,
    })?;
    let mut answer = json!({"records": restored.records});
    if let Some(kept) = restored.kept {
        answer["kept"] = Value::from(kept.display().to_string());
    }
    Ok(answer)
}
