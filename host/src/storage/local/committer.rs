//! The one thread that writes: it drains its queue, checks, merges, applies, syncs, and then answers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::backend::Backend;
use super::round::{Applicable, Round};
use super::usage::Usage;
use super::{Shared, unavailable};
use crate::storage::engine::{Commit, MAX_PAUSE, Outcome, Sequence};

/// At most this many commits share one round, and with it one sync.
const MAX_ROUND_COMMITS: usize = 512;
/// A round takes no more commits once its values take this much, so that readers are never held off for long.
const MAX_ROUND_BYTES: usize = 4 * 1_024 * 1_024;

/// While so many write at a time, a round waits for company: its commits share one sync.
const COMPANY: usize = 5;
/// With so many, what a round costs by itself is small against its commits. While it is synced, the rest arrives.
const ENOUGH: usize = 26;
/// How often it looks whether more arrived.
const GATHERING_STEP: Duration = Duration::from_micros(50);
/// It stops waiting when so many looks in a row have found nobody new.
const QUIET_STEPS: u32 = 6;
/// The longest that it waits.
const MAX_GATHERING: Duration = Duration::from_millis(5);

/// What waits for the committer.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are commits, and a box would be an allocation for each"
)]
pub(super) enum Job {
    Commit(Submitted),
    /// To apply nothing until what is sent here is dropped.
    Pause(oneshot::Sender<End>),
}

/// A commit, and where its outcome goes.
pub(super) struct Submitted {
    pub(super) commit: Commit,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// Ends a pause when it is dropped.
pub(super) type End = std::sync::mpsc::Sender<()>;

type Answer = (oneshot::Sender<Outcome>, Outcome);

pub(super) struct Committer<B> {
    shared: Arc<Shared<B>>,
    queue: mpsc::Receiver<Job>,
    usage: Usage,
    last: Last,
}

/// What the last round tells of the next one.
#[derive(Clone, Copy, Default)]
struct Last {
    /// The commits that were in it, or waited when it was done: so many are likely to come again.
    writers: usize,
    /// How long it took to apply and sync it.
    took: Duration,
    /// How long only to sync it.
    sync: Duration,
}

impl<B: Backend> Committer<B> {
    pub(super) fn new(shared: Arc<Shared<B>>, queue: mpsc::Receiver<Job>, usage: Usage) -> Self {
        Self {
            shared,
            queue,
            usage,
            last: Last::default(),
        }
    }

    /// Runs until the engine is dropped and the queue is empty.
    pub(super) fn run(mut self) {
        while let Some(job) = self.queue.blocking_recv() {
            match job {
                Job::Pause(started) => pause(started),
                Job::Commit(first) => {
                    self.gather();
                    let (commits, then) = self.drain(first);
                    self.round(commits);
                    if let Some(started) = then {
                        pause(started);
                    }
                }
            }
        }
    }

    /// Lets a round grow while many write at a time: to what is enough, in no more time than the last round took; to all of
    /// them, where a sync takes so long that waiting for them is worth it. Somebody who writes alone never waits.
    fn gather(&self) {
        let Last { writers, took, sync } = self.last;
        if writers < COMPANY {
            return;
        }
        let begun = Instant::now();
        let (mut waiting, mut quiet) = (self.queue.len(), 0);
        while quiet < QUIET_STEPS {
            let elapsed = begun.elapsed();
            let wanted = if elapsed < sync.min(MAX_GATHERING) / 2 {
                writers
            } else if elapsed < took.min(MAX_GATHERING) {
                writers.min(ENOUGH)
            } else {
                return;
            };
            // The first of the round is no longer in the queue.
            if waiting + 1 >= wanted {
                return;
            }
            thread::sleep(GATHERING_STEP);
            let now = self.queue.len();
            quiet = if now == waiting { quiet + 1 } else { 0 };
            waiting = now;
        }
    }

    /// The commits of a round, up to a pause.
    fn drain(&mut self, first: Submitted) -> (Vec<Submitted>, Option<oneshot::Sender<End>>) {
        let bytes = |submitted: &Submitted| {
            submitted
                .commit
                .puts
                .iter()
                .map(|(_, put)| put.value.len())
                .sum::<usize>()
        };
        let mut total = bytes(&first);
        let mut commits = vec![first];
        while commits.len() < MAX_ROUND_COMMITS && total < MAX_ROUND_BYTES {
            match self.queue.try_recv() {
                Ok(Job::Commit(submitted)) => {
                    total += bytes(&submitted);
                    commits.push(submitted);
                }
                Ok(Job::Pause(started)) => return (commits, Some(started)),
                Err(_) => break,
            }
        }
        (commits, None)
    }

    fn round(&mut self, commits: Vec<Submitted>) {
        let commits_in_it = commits.len();
        let (mut answers, applicable) = self.check(commits);
        if let Some(Err(reason)) = applicable.map(|applicable| self.perform(applicable)) {
            for (_, outcome) in &mut answers {
                if matches!(outcome, Outcome::Committed(_)) {
                    *outcome = Outcome::Unknown(reason.clone());
                }
            }
        }
        self.last.writers = commits_in_it + self.queue.len();
        for (reply, outcome) in answers {
            // A caller that has gone away does not want to know.
            let _ = reply.send(outcome);
        }
    }

    /// Decides on each commit, in the order in which they came.
    fn check(&self, commits: Vec<Submitted>) -> (Vec<Answer>, Option<Applicable>) {
        if let Some(reason) = self.shared.progress.borrow().read_only.clone() {
            let refuse = |one: Submitted| (one.reply, Outcome::Unavailable(reason.clone()));
            return (commits.into_iter().map(refuse).collect(), None);
        }
        let state = self.shared.state.read();
        let mut round = Round::new(&self.shared.backend, &state.recent, &self.usage, state.applied);
        let mut decide = |one: Submitted| {
            let outcome = round
                .admit(&one.commit)
                .unwrap_or_else(|error| Outcome::Unavailable(unavailable(&error).0));
            (one.reply, outcome)
        };
        let answers = commits.into_iter().map(&mut decide).collect();
        (answers, round.finish())
    }

    /// Applies and syncs; an error is the reason for which the store is read-only from now on.
    fn perform(&mut self, applicable: Applicable) -> Result<(), String> {
        let Applicable {
            batch,
            charged,
            written,
            logged,
        } = applicable;
        let begun = Instant::now();
        let applied = {
            let mut state = self.shared.state.write();
            self.shared
                .backend
                .apply(&batch)
                .map_err(|error| self.shared.fail(&error))?;
            state.applied += written.len() as Sequence;
            written.into_iter().for_each(|written| state.recent.push(written));
            state.applied
        };
        self.usage.update(charged);
        let applied_in = begun.elapsed();
        self.shared.backend.sync().map_err(|error| self.shared.fail(&error))?;
        self.last.took = begun.elapsed();
        self.last.sync = self.last.took.saturating_sub(applied_in);
        self.shared.progress.send_modify(|progress| {
            progress.durable = applied;
            progress.logged = logged.unwrap_or(progress.logged);
        });
        Ok(())
    }
}

/// Applies nothing until the reader is done, or has had its time.
fn pause(started: oneshot::Sender<End>) {
    let (end, ended) = std::sync::mpsc::channel();
    if started.send(end).is_ok() {
        let _ = ended.recv_timeout(MAX_PAUSE);
    }
}
