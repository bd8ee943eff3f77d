//! Looks for some bytes in every logical key and value of a store.

use std::sync::Arc;

use super::engine::{Engine, Key, PAGE_BYTES, Scan, Unavailable};
use super::keyspace;
use super::transaction::Ended;

/// Rows that are looked at at a time.
const PAGE: usize = 64;

/// Tells of each key that holds some of the needles, or whose value does, and of which. How many keys were looked at.
pub async fn search(
    engine: &Arc<dyn Engine>,
    needles: &[Vec<u8>],
    mut tell: impl FnMut(&Key, &[usize]),
) -> Result<u64, Ended> {
    let holds = |text: &[u8], needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
    let mut looked_at = 0;
    for range in keyspace::logical() {
        let mut scan = Scan {
            max_bytes: PAGE_BYTES,
            ..Scan::first(range, PAGE)
        };
        loop {
            let rows = engine
                .scan(&scan)
                .await
                .map_err(|Unavailable(reason)| Ended::Unavailable(reason))?;
            let is_over = rows.data.is_empty();
            for (key, row) in rows.data {
                looked_at += 1;
                let found = needles.iter().enumerate();
                let found = found.filter(|(_, needle)| holds(&key, needle) || holds(&row.value, needle));
                let found: Vec<usize> = found.map(|(index, _)| index).collect();
                if !found.is_empty() {
                    tell(&key, &found);
                }
                scan.after = Some(key);
            }
            if is_over {
                break;
            }
            // All of the store takes a while, and others want to be served meanwhile.
            tokio::task::yield_now().await;
        }
    }
    Ok(looked_at)
}
