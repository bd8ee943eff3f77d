//! Removing what has expired: reads ignore it already, this gives its room back.

use std::sync::Arc;

use super::engine::{Commit, Engine, Reads, Scan, Unavailable};
use super::keyspace;

/// The most values that `expire` removes at a time, and about the most bytes of them: readers wait while a commit is applied, and
/// the store keeps what it takes away until then, several times over.
const EXPIRED_AT_A_TIME: usize = 256;
const BYTES_AT_A_TIME: usize = 2 << 20;
/// The values that are read at a time.
const READ_AT_A_TIME: usize = 8;

/// What came of looking for expired values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// How many went.
    pub removed: usize,
    /// Whether there may be more.
    pub more: bool,
}

/// Removes some expired values. Called again and again by a worker: what changes under its hands it leaves for the next time.
pub async fn expire(engine: &Arc<dyn Engine>, now_ms: u64) -> Result<Expired, Unavailable> {
    let due = engine
        .scan(&Scan::keys(keyspace::expiries(now_ms), EXPIRED_AT_A_TIME))
        .await?
        .data;
    let due: Vec<_> = due
        .iter()
        .filter_map(|(entry, _)| Some(keyspace::parse_expiry(entry)?.1))
        .collect();
    let (mut keys, mut since, mut bytes) = (Vec::new(), None, 0);
    let mut more = due.len() == EXPIRED_AT_A_TIME;
    for due in due.chunks(READ_AT_A_TIME) {
        let stored = engine.get(due).await?;
        since.get_or_insert(stored.applied);
        for (key, stored) in due.iter().zip(stored.data) {
            if let Some(stored) = stored.filter(|stored| stored.expires_ms.is_some_and(|at_ms| at_ms <= now_ms)) {
                bytes += stored.value.len();
                keys.push((key.clone(), stored.version));
            }
        }
        if bytes >= BYTES_AT_A_TIME {
            more = true;
            break;
        }
    }
    let Some(since) = since else {
        return Ok(Expired { removed: 0, more });
    };
    let deletes: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
    let removed = deletes.len();
    let reads = Reads {
        keys,
        ranges: Vec::new(),
    };
    let committed = engine.commit(Commit {
        reads,
        since,
        deletes,
        now_ms,
        ..Commit::default()
    });
    Ok(match committed.await.housekeeping()? {
        // Where nothing went there is nothing to hurry for.
        true => Expired {
            removed,
            more: more && removed > 0,
        },
        false => Expired {
            removed: 0,
            more: false,
        },
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::storage::keyspace::answer;
    use crate::storage::memory;
    use crate::storage::transaction::Transaction;

    #[tokio::test]
    async fn large_values_that_have_expired_go_a_few_at_a_time_and_small_ones_many() {
        for (bytes, count, at_a_time) in [(1 << 20, 20, 8), (100, 600, EXPIRED_AT_A_TIME)] {
            let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
            let value = Bytes::from(vec![b'x'; bytes]);
            for number in 0..count as u128 {
                let key = answer(Uuid::from_u128(number), &[0; 32]);
                let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
                transaction.put(key, value.clone(), Some(1_000));
                transaction.commit().await.unwrap();
            }
            assert_eq!(
                expire(&engine, 999).await,
                Ok(Expired {
                    removed: 0,
                    more: false
                })
            );
            let mut gone = Vec::new();
            loop {
                let expired = expire(&engine, 1_000).await.unwrap();
                gone.push(expired.removed);
                if !expired.more {
                    break;
                }
            }
            assert_eq!(gone.iter().sum::<usize>(), count);
            assert_eq!(gone[0], at_a_time, "{gone:?}");
        }
    }
}
