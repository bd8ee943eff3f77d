//! Striped async locks: a call that lost a race takes the contended keys first, so that a hot key makes progress.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::engine::Key;

/// How many stripes there are; two keys that share one merely wait for each other.
const STRIPES: usize = 256;

/// The locks. They order the retries of calls; correctness rests on the engine's checks alone.
#[derive(Debug)]
pub struct Locks {
    stripes: Vec<Arc<Mutex<()>>>,
    hasher: RandomState,
}

/// Locks that are held; dropping this frees them.
#[derive(Debug)]
#[must_use = "the locks are free again once this is dropped"]
pub struct Held {
    _guards: Vec<OwnedMutexGuard<()>>,
}

impl Default for Locks {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Locks {
    /// Waits for the locks of all of `keys`. Stripes are taken in one order by everybody, so nobody deadlocks; a caller
    /// must not hold locks already.
    pub fn lock(&self, keys: &BTreeSet<Key>) -> impl Future<Output = Held> + Send + use<> {
        let stripes: BTreeSet<usize> = keys.iter().map(|key| self.stripe(key)).collect();
        let stripes: Vec<Arc<Mutex<()>>> = stripes
            .into_iter()
            .map(|stripe| Arc::clone(&self.stripes[stripe]))
            .collect();
        async move {
            let mut guards = Vec::with_capacity(stripes.len());
            for stripe in stripes {
                guards.push(stripe.lock_owned().await);
            }
            Held { _guards: guards }
        }
    }

    fn stripe(&self, key: &Key) -> usize {
        // The remainder is below `STRIPES`, so the cast loses nothing.
        (self.hasher.hash_one(key) % STRIPES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&'static str]) -> BTreeSet<Key> {
        names.iter().map(|name| Key::from_static(name.as_bytes())).collect()
    }

    #[tokio::test]
    async fn a_key_is_held_by_one_caller_at_a_time() {
        let locks = Locks::default();
        let held = locks.lock(&keys(&["a", "b"])).await;
        let contender = keys(&["b"]);
        let waiting = locks.lock(&contender);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(held);
        assert!(futures_util::poll!(waiting.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn keys_that_share_a_stripe_are_taken_once() {
        let locks = Locks::default();
        let many: BTreeSet<Key> = (0..10_000u32).map(|n| Key::copy_from_slice(&n.to_be_bytes())).collect();
        let held = locks.lock(&many).await;
        assert!(held._guards.len() <= STRIPES);
    }
}
