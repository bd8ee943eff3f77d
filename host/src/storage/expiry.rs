//! Removing what has expired: reads ignore it already, this gives its room back.

use std::sync::Arc;

use super::engine::{Commit, Engine, Reads, Scan, Unavailable};
use super::keyspace;

/// The most values that `expire` removes at a time: readers wait while a commit is applied.
pub const EXPIRED_AT_A_TIME: usize = 256;

/// Removes up to `EXPIRED_AT_A_TIME` expired values, and says how many went. Called again and again by a worker: what changes
/// under its hands it leaves for the next time.
pub async fn expire(engine: &Arc<dyn Engine>, now_ms: u64) -> Result<usize, Unavailable> {
    let due = engine
        .scan(&Scan::keys(keyspace::expiries(now_ms), EXPIRED_AT_A_TIME))
        .await?
        .data;
    let keys: Vec<_> = due
        .iter()
        .filter_map(|(entry, _)| Some(keyspace::parse_expiry(entry)?.1))
        .collect();
    if keys.is_empty() {
        return Ok(0);
    }
    let stored = engine.get(&keys).await?;
    let expired = keys.into_iter().zip(stored.data).filter_map(|(key, stored)| {
        let stored = stored.filter(|stored| stored.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms))?;
        Some((key, stored.version))
    });
    let keys: Vec<_> = expired.collect();
    let deletes: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
    let removed = deletes.len();
    let reads = Reads {
        keys,
        ranges: Vec::new(),
    };
    let committed = engine.commit(Commit {
        reads,
        since: stored.applied,
        deletes,
        now_ms,
        ..Commit::default()
    });
    Ok(if committed.await.housekeeping()? { removed } else { 0 })
}
