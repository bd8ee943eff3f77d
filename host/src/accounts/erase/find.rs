//! Rows about an account among those of everybody: found outside of any transaction, so that all who write there meanwhile are
//! in nobody's way. What is found is read again by what removes it.

use std::sync::Arc;

use crate::storage::engine::{Engine, Key, PAGE_BYTES, Range, Scan};
use crate::storage::transaction::Ended;

/// Rows that are read at a time.
const PAGE: usize = 64;
/// So many rows, and about so many bytes of them, are looked at before it is written down how far that went, although nothing
/// was found: what goes on after a crash looks at them again.
const EXAMINED: usize = 20_000;
const EXAMINED_BYTES: usize = 256 << 20;
/// The most rows that one commit removes, and about the most bytes of them: the store keeps what a commit takes away until it is
/// applied as a whole, several times over.
const REMOVED: usize = 200;
const REMOVED_BYTES: usize = 2 << 20;

/// Some of the rows that are about an account.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Their keys.
    pub keys: Vec<Key>,
    /// Where the search goes on; `None` at the end.
    pub behind: Option<Key>,
}

/// Searches a range behind a key.
pub async fn find(
    engine: &Arc<dyn Engine>,
    range: &Range,
    behind: Option<Key>,
    is_about: impl Fn(&[u8]) -> bool,
) -> Result<Found, Ended> {
    let mut scan = Scan {
        after: behind,
        max_bytes: PAGE_BYTES,
        ..Scan::first(range.clone(), PAGE)
    };
    let mut found = Found::default();
    let (mut examined, mut examined_bytes, mut found_bytes) = (0, 0, 0);
    loop {
        let rows = engine.scan(&scan).await?.data;
        if rows.is_empty() {
            return Ok(found);
        }
        examined += rows.len();
        for (key, row) in rows {
            examined_bytes += row.value.len();
            if is_about(&row.value) {
                found_bytes += row.value.len();
                found.keys.push(key.clone());
            }
            scan.after = Some(key);
        }
        let is_enough = found.keys.len() + PAGE > REMOVED || found_bytes >= REMOVED_BYTES;
        if is_enough || examined >= EXAMINED || examined_bytes >= EXAMINED_BYTES {
            found.behind = scan.after;
            return Ok(found);
        }
        // Others want to be served meanwhile.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::storage::keyspace::{all_answers, answer};
    use crate::storage::memory;
    use crate::storage::transaction::Transaction;

    async fn store(rows: usize, value: &Bytes) -> Arc<dyn Engine> {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        for first in (0..rows).step_by(1_000) {
            let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
            for number in first..rows.min(first + 1_000) {
                let mut hash = [0; 32];
                hash[..8].copy_from_slice(&(number as u64).to_be_bytes());
                transaction.put(answer(uuid::Uuid::nil(), &hash), value.clone(), None);
            }
            transaction.commit().await.unwrap();
        }
        engine
    }

    /// How often a search comes back, and how much it finds.
    async fn searched(engine: &Arc<dyn Engine>, is_about: impl Fn(&[u8]) -> bool) -> (usize, usize) {
        let (mut times, mut keys, mut behind) = (0, 0, None);
        loop {
            let found = find(engine, &all_answers(), behind, &is_about).await.unwrap();
            assert!(found.keys.len() <= REMOVED, "{}", found.keys.len());
            times += 1;
            keys += found.keys.len();
            behind = found.behind;
            if behind.is_none() {
                return (times, keys);
            }
        }
    }

    #[tokio::test]
    async fn what_is_about_others_is_passed_over_in_large_steps_and_what_is_found_is_removed_in_small_ones() {
        let engine = store(30_000, &Bytes::from_static(b"{}")).await;
        assert_eq!(searched(&engine, |_| false).await, (2, 0));
        let (times, keys) = searched(&engine, |_| true).await;
        assert_eq!(keys, 30_000);
        assert!((150..200).contains(&times), "{times}");

        let large = store(40, &Bytes::from(vec![0; 1 << 20])).await;
        assert_eq!(searched(&large, |_| false).await, (1, 0));
        assert_eq!(searched(&large, |_| true).await, (21, 40));
    }
}
