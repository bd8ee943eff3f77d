//! Which plugin serves a call, whether there is room for it, its transaction and its retries.
//!
//! `Dispatch::call_all` tells the story: a transaction, the operations in it one after the other, the commit; where
//! something that was read has changed meanwhile, all of it again.

mod admission;
mod attempt;
mod call;
mod crud;
mod failure;
mod fields;
mod hooks;
mod idempotency;
mod install;
mod operation;
mod registry;
mod reply;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

pub use admission::Admission;
pub use call::{Answer, Call};
pub use failure::{Failure, Fault};
pub use install::{InstallFailure, Installed};
pub use operation::{IdempotencyKey, Operation, Precondition, Reply};
pub use registry::{Kind, Plugin, Resource};

use crate::capabilities::catalogue::Catalogue;
use crate::capabilities::documents::Cursors;
use crate::config::Config;
use crate::policy::Permit;
use crate::sandbox::Sandbox;
use crate::storage::clock::Clock;
use crate::storage::engine::Engine;
use crate::storage::locks::Locks;

use self::admission::Gate;
use self::idempotency::InFlight;
use self::install::Changing;
use self::registry::Registry;

/// How many reads the host itself serves at a time, and how many may wait. They are work for the processor, so more at a
/// time would only let everybody else wait for longer.
const HOST_READS: (u32, u32) = (128, 1_024);

/// What a dispatch works with.
pub struct Parts {
    /// The store.
    pub engine: Arc<dyn Engine>,
    /// Its collections.
    pub catalogue: Arc<Catalogue>,
    /// Where plugins run.
    pub sandbox: Arc<Sandbox>,
    /// Seals the cursors of lists.
    pub cursors: Arc<Cursors>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What the operator grants and limits.
    pub config: Arc<Config>,
}

/// Leads calls to plugins. One for each host; cheap to share.
pub struct Dispatch {
    parts: Parts,
    registry: ArcSwap<Registry>,
    /// Installations and reloads go one after the other.
    changing: Mutex<Changing>,
    host_reads: Arc<Gate>,
    locks: Locks,
    in_flight: InFlight,
}

impl Dispatch {
    /// A dispatch without plugins.
    pub fn new(parts: Parts) -> Self {
        let (places, queue) = HOST_READS;
        Self {
            registry: ArcSwap::default(),
            changing: Mutex::new(Changing {
                config: Arc::clone(&parts.config),
                unserved: BTreeMap::new(),
            }),
            host_reads: Arc::new(Gate::new(places, queue)),
            locks: Locks::default(),
            in_flight: InFlight::default(),
            parts,
        }
    }

    /// The resource of that name, if a plugin serves it.
    pub fn resource(&self, name: &str) -> Option<Arc<Resource>> {
        self.registry.load().resources.get(name).cloned()
    }

    /// All plugins, by name.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.registry.load().plugins.values().cloned().collect()
    }

    /// The request headers that plugins may see, in lower case.
    pub fn request_headers(&self) -> Arc<[String]> {
        Arc::clone(&self.registry.load().request_headers)
    }

    /// The store that calls work on.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.parts.engine
    }

    /// The store's collections.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.parts.catalogue
    }

    /// Takes a place for a call, or for all the calls of a batch: one with each plugin that is called, and one with
    /// the host for what it serves itself. Waits while the queue has room.
    pub async fn admit(&self, permits: &[&Permit]) -> Result<Admission, Failure> {
        admission::admit(&self.registry.load_full(), &self.host_reads, permits).await
    }
}
