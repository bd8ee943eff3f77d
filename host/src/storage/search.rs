//! Looks for some bytes in every logical key and value of a store.

use std::sync::Arc;

use super::engine::{Engine, Key, Scan, Unavailable};
use super::keyspace;
use super::transaction::Ended;

/// Rows that are looked at at a time: each may be large.
const PAGE: usize = 64;

/// Tells of each key that holds one of the needles, or whose value does. How many keys were looked at.
pub async fn search(engine: &Arc<dyn Engine>, needles: &[Vec<u8>], mut tell: impl FnMut(&Key)) -> Result<u64, Ended> {
    let holds = |text: &[u8]| {
        let mut needles = needles.iter();
        needles.any(|needle| text.windows(needle.len()).any(|window| window == needle))
    };
    let mut looked_at = 0;
    for range in keyspace::logical() {
        let mut scan = Scan::first(range, PAGE);
        loop {
            let rows = engine
                .scan(&scan)
                .await
                .map_err(|Unavailable(reason)| Ended::Unavailable(reason))?;
            let is_last = rows.data.len() < PAGE;
            for (key, row) in rows.data {
                looked_at += 1;
                if holds(&key) || holds(&row.value) {
                    tell(&key);
                }
                scan.after = Some(key);
            }
            if is_last {
                break;
            }
            // All of the store takes a while, and others want to be served meanwhile.
            tokio::task::yield_now().await;
        }
    }
    Ok(looked_at)
}
