//! Room for a call: so many at a time for each plugin, so many waiting, and nobody waits longer than a call may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::policy::Permit;

use super::failure::Failure;
use super::registry::{Registry, Resource};

/// What a batch may take in all, however many operations it has.
const MAX_DEADLINE: Duration = Duration::from_secs(30);
/// What a client that finds no room is told to wait.
const RETRY_AFTER_S: u32 = 1;

/// The places of one plugin.
pub(super) struct Gate {
    places: Arc<Semaphore>,
    waiting: AtomicU32,
    queue: u32,
}

/// Proof that there is room for a call; the room is free again once this is dropped.
#[must_use = "the places are free again once this is dropped"]
pub struct Admission {
    /// What is called, in the order of the permits.
    pub(super) resources: Vec<Arc<Resource>>,
    /// When all of it must be done, retries included.
    pub(super) deadline: Instant,
    _places: Vec<OwnedSemaphorePermit>,
}

impl Gate {
    pub(super) fn new(places: u32, queue: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places as usize)),
            waiting: AtomicU32::new(0),
            queue,
        }
    }

    async fn enter(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::join(self)?;
        match tokio::time::timeout(patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Failure::Overloaded {
                retry_after_s: RETRY_AFTER_S,
            }),
        }
    }
}

/// A place in the queue, given back even if the client goes away.
struct Waiting<'a>(&'a Gate);

impl<'a> Waiting<'a> {
    fn join(gate: &'a Gate) -> Result<Self, Failure> {
        let waiting = Self(gate);
        if gate.waiting.fetch_add(1, Ordering::Relaxed) < gate.queue {
            Ok(waiting)
        } else {
            Err(Failure::Overloaded {
                retry_after_s: RETRY_AFTER_S,
            })
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn admit(
    registry: &Registry,
    host_reads: &Arc<Gate>,
    permits: &[&Permit],
) -> Result<Admission, Failure> {
    let (resources, gates, allowed) = wanted(registry, host_reads, permits)?;
    let mut places = Vec::with_capacity(gates.len());
    for (gate, patience) in gates {
        places.push(gate.enter(patience).await?);
    }
    let deadline = Instant::now() + allowed.min(MAX_DEADLINE);
    Ok(Admission {
        resources,
        deadline,
        _places: places,
    })
}

/// The resources that are called, the gates to pass with the time that each may take, and the time that the calls may take.
type Wanted = (Vec<Arc<Resource>>, Vec<(Arc<Gate>, Duration)>, Duration);

fn wanted(registry: &Registry, host_reads: &Arc<Gate>, permits: &[&Permit]) -> Result<Wanted, Failure> {
    let mut resources = Vec::with_capacity(permits.len());
    let mut allowed = Duration::ZERO;
    // By name, so that two batches never wait for each other; the host's reads come last.
    let mut gates: BTreeMap<Option<&str>, (Arc<Gate>, Duration)> = BTreeMap::new();
    for permit in permits {
        let resource = registry.resources.get(&**permit.resource()).ok_or(Failure::Removed)?;
        let plugin = &resource.plugin;
        allowed += plugin.deadline;
        let (name, gate) = match resource.is_served_by_host(permit.action()) {
            true => (None, host_reads),
            false => (Some(plugin.manifest.name.as_str()), &plugin.gate),
        };
        gates.entry(name).or_insert_with(|| (Arc::clone(gate), plugin.deadline));
        resources.push(Arc::clone(resource));
    }
    Ok((resources, gates.into_values().rev().collect(), allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_call_beyond_the_places_and_the_queue_is_refused() {
        let gate = Gate::new(1, 0);
        let place = gate.enter(SHORT).await.unwrap();
        assert_eq!(
            gate.enter(SHORT).await.err(),
            Some(Failure::Overloaded {
                retry_after_s: RETRY_AFTER_S
            })
        );
        drop(place);
        assert!(gate.enter(SHORT).await.is_ok());
    }

    #[tokio::test]
    async fn one_who_waits_gets_the_place_that_becomes_free() {
        let gate = Gate::new(1, 1);
        let place = gate.enter(SHORT).await.unwrap();
        let waiting = gate.enter(Duration::from_secs(60));
        tokio::pin!(waiting);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(place);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn one_who_goes_away_leaves_the_queue() {
        let gate = Gate::new(1, 1);
        let _place = gate.enter(SHORT).await.unwrap();
        assert!(gate.enter(SHORT).await.is_err());
        let again = gate.enter(Duration::from_secs(60));
        tokio::pin!(again);
        assert!(
            futures_util::poll!(again.as_mut()).is_pending(),
            "the queue has room again"
        );
    }
}
