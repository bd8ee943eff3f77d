//! What the engines that live in this process share: one committer thread, the ring of recent commits, checks, quotas,
//! expiry and the change log, over any `Backend`.

mod backend;
mod check;
mod committer;
mod envelope;
mod load;
mod recent;
mod round;
mod staged;
mod usage;

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

pub use backend::{Backend, Batch};
use committer::{Committer, Job, Submitted};
use envelope::{Body, Envelope};
pub use load::Load;
use recent::Recent;
use usage::Usage;

use super::engine::{
    Change, Checked, Commit, Engine, Health, Key, MAX_SCAN_ROWS, Outcome, Pause, Reads, Rows, Scan, Seen, Sequence,
    Unavailable, Versioned,
};
use super::{change_log, keyspace};

/// A number of a backend's own, in its envelope, as it was before the first commit.
pub(super) fn seal_number(key: &Key, number: u64) -> Bytes {
    staged::small(key, &number.to_be_bytes(), 0)
}

/// The number in an envelope; `None` where there is no such envelope.
pub(super) fn open_number(key: &Key, raw: Bytes) -> Option<u64> {
    match Envelope::open(key, raw).ok()?.body {
        Body::Inline(value) => value.as_ref().try_into().ok().map(u64::from_be_bytes),
        Body::Chunked(_) => None,
    }
}

/// The name under which the engine keeps the sequence of the last commit.
const SEQUENCE: &str = "sequence";

/// At most this many commits wait for the committer; a caller beyond them waits for a place.
const MAX_WAITING: usize = 4_096;

/// An engine over a backend in this process. Dropping it finishes the commits that were handed in.
pub struct Local<B: Backend> {
    shared: Arc<Shared<B>>,
    /// `None` only while the engine is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    /// Held by the one that pauses the commits.
    pausing: Arc<Mutex<()>>,
    committer: Option<JoinHandle<()>>,
}

/// What readers and the committer share.
struct Shared<B> {
    backend: B,
    /// Held for reading during one get or one page, for writing while a batch is applied.
    state: RwLock<State>,
    progress: watch::Sender<Progress>,
}

/// What has been applied.
struct State {
    applied: Sequence,
    recent: Recent,
}

/// What has become durable, and whether it ends there.
struct Progress {
    durable: Sequence,
    /// The last durable commit that has an entry in the change log, or a later one at which the store was opened.
    logged: Sequence,
    read_only: Option<String>,
}

impl<B: Backend> Shared<B> {
    /// Makes the store read-only; the first reason stays.
    fn fail(&self, error: &io::Error) -> String {
        let reason = error.to_string();
        tracing::error!(%reason, "the store is read-only from now on: check the disk, then restart");
        self.progress.send_modify(|progress| {
            progress.read_only.get_or_insert_with(|| reason.clone());
        });
        reason
    }
}

fn unavailable(error: &io::Error) -> Unavailable {
    tracing::error!(%error, "the store could not be read");
    Unavailable(error.to_string())
}

impl<B: Backend> Local<B> {
    /// Opens the store that the backend holds, and starts the committer.
    pub fn open(backend: B) -> io::Result<Self> {
        let key = keyspace::meta(SEQUENCE);
        let stored = backend.get(&key)?.map(|raw| Envelope::open(&key, raw)).transpose()?;
        let applied = stored.map_or(0, |envelope| envelope.version);
        let usage = Usage::load(&backend)?;
        let shared = Arc::new(Shared {
            backend,
            state: RwLock::new(State {
                applied,
                recent: Recent::after(applied),
            }),
            progress: watch::Sender::new(Progress {
                durable: applied,
                logged: applied,
                read_only: None,
            }),
        });
        let (jobs, queue) = mpsc::channel(MAX_WAITING);
        let committer = Committer::new(Arc::clone(&shared), queue, usage);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())?;
        Ok(Self {
            shared,
            jobs: Some(jobs),
            pausing: Arc::default(),
            committer: Some(thread),
        })
    }

    fn read(&self, key: &[u8]) -> io::Result<Option<Versioned>> {
        let backend = &self.shared.backend;
        let Some(raw) = backend.get(key)? else { return Ok(None) };
        Envelope::open(key, raw)?
            .versioned(key, |chunk| backend.get(chunk))
            .map(Some)
    }

    fn page(&self, scan: &Scan) -> io::Result<Rows> {
        let backend = &self.shared.backend;
        let limit = scan.limit.min(MAX_SCAN_ROWS);
        let mut raw: Vec<(Key, Bytes)> = Vec::new();
        if limit > 0 {
            backend.scan(&scan.remaining(), scan.direction, &mut |key, value| {
                raw.push((key, value));
                if raw.len() < limit {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        }
        let (mut rows, mut bytes) = (Rows::new(), 0);
        for (key, value) in raw {
            let envelope = Envelope::open(&key, value)?;
            let versioned = if scan.keys_only {
                envelope.without_value()
            } else {
                envelope.versioned(&key, |chunk| backend.get(chunk))?
            };
            bytes += versioned.value.len();
            rows.push((key, versioned));
            if bytes >= scan.max_bytes {
                break;
            }
        }
        Ok(rows)
    }

    /// Waits until the mark is at `sequence` or beyond, and says where it is.
    async fn reached(&self, sequence: Sequence, mark: fn(&Progress) -> Sequence) -> Result<Sequence, Unavailable> {
        let mut progress = self.shared.progress.subscribe();
        // The sender lives as long as the engine, so the wait ends only with an answer.
        let reached = progress
            .wait_for(|progress| mark(progress) >= sequence || progress.read_only.is_some())
            .await;
        match reached.as_deref() {
            Ok(progress) if mark(progress) >= sequence => Ok(mark(progress)),
            Ok(Progress {
                read_only: Some(reason),
                ..
            }) => Err(Unavailable(reason.clone())),
            _ => Err(Unavailable("the store is closed".to_owned())),
        }
    }

    /// Of `reads`, what is certainly or possibly different from what was read, by the versions that are stored now.
    fn changed_by_version(&self, reads: &Reads) -> io::Result<BTreeSet<Key>> {
        let mut changed: BTreeSet<Key> = reads.ranges.iter().map(|range| range.start.clone()).collect();
        for (key, version) in &reads.keys {
            let stored = self
                .shared
                .backend
                .get(key)?
                .map(|raw| Envelope::open(key, raw))
                .transpose()?;
            if stored.map_or(0, |stored| stored.version) != *version {
                changed.insert(key.clone());
            }
        }
        Ok(changed)
    }
}

#[async_trait]
impl<B: Backend> Engine for Local<B> {
    async fn get(&self, keys: &[Key]) -> Result<Seen<Vec<Option<Versioned>>>, Unavailable> {
        let state = self.shared.state.read();
        let data: io::Result<_> = keys.iter().map(|key| self.read(key)).collect();
        Ok(Seen {
            applied: state.applied,
            data: data.map_err(|error| unavailable(&error))?,
        })
    }

    async fn scan(&self, scan: &Scan) -> Result<Seen<Rows>, Unavailable> {
        let state = self.shared.state.read();
        Ok(Seen {
            applied: state.applied,
            data: self.page(scan).map_err(|error| unavailable(&error))?,
        })
    }

    async fn changed(&self, reads: &Reads, since: Sequence, until: Sequence) -> Result<BTreeSet<Key>, Unavailable> {
        let state = self.shared.state.read();
        match state.recent.changed(reads, since, until) {
            Some(changed) => Ok(changed),
            None => self.changed_by_version(reads).map_err(|error| unavailable(&error)),
        }
    }

    async fn commit(&self, commit: Commit) -> Outcome {
        let stopped = || Outcome::Unavailable("the committer has stopped".to_owned());
        let Some(jobs) = &self.jobs else { return stopped() };
        let (reply, outcome) = oneshot::channel();
        if jobs.send(Job::Commit(Submitted { commit, reply })).await.is_err() {
            return stopped();
        }
        outcome
            .await
            .unwrap_or_else(|_| Outcome::Unknown("the committer has stopped".to_owned()))
    }

    async fn durable(&self, sequence: Sequence) -> Result<(), Unavailable> {
        if self.shared.progress.borrow().durable >= sequence {
            return Ok(());
        }
        self.reached(sequence, |progress| progress.durable).await.map(|_| ())
    }

    async fn changes(&self, after: Sequence, limit: usize) -> Result<Vec<Change>, Unavailable> {
        let mut after = after;
        loop {
            let until = self
                .reached(after.saturating_add(1), |progress| progress.logged)
                .await?;
            let scan = Scan::first(keyspace::changes(after, until), limit.max(1));
            let rows = self.scan(&scan).await?.data;
            if !rows.is_empty() {
                let entry = |(key, stored): (Key, Versioned)| change_log::entry(&key, stored.value);
                let entries: io::Result<Vec<Change>> = rows.into_iter().map(entry).collect();
                return entries.map_err(|error| unavailable(&error));
            }
            // What was there is trimmed.
            after = until;
        }
    }

    async fn check(&self, from: &Key) -> Result<Checked, Unavailable> {
        let _state = self.shared.state.read();
        check::page(&self.shared.backend, from).map_err(|error| unavailable(&error))
    }

    async fn pause(&self) -> Option<Pause> {
        let turn = Arc::clone(&self.pausing).lock_owned().await;
        let (started, begun) = oneshot::channel();
        self.jobs.as_ref()?.send(Job::Pause(started)).await.ok()?;
        let end = begun.await.ok()?;
        Some(Pause::until_dropped((turn, end)))
    }

    fn health(&self) -> Health {
        let applied = self.shared.state.read().applied;
        let progress = self.shared.progress.borrow();
        Health {
            applied,
            durable: progress.durable,
            read_only: progress.read_only.clone(),
        }
    }
}

impl<B: Backend> Drop for Local<B> {
    fn drop(&mut self) {
        self.jobs = None;
        if self.committer.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the committer panicked");
        }
    }
}
