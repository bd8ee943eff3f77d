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

/// A round after one of so many commits waits for more: they share one sync.
const COMPANY: usize = 5;
/// It waits for no more than this: then a round's own cost is small against that of its commits, and who comes later is
/// better served while this round is synced.
const ENOUGH: usize = 26;
/// How often it looks whether more arrived.
const GATHERING_STEP: Duration = Duration::from_micros(50);
/// It stops waiting when so many looks in a row have found nobody new.
const QUIET_STEPS: u32 = 4;
/// The longest that it waits; it never waits longer than the last round took.
const MAX_GATHERING: Duration = Duration::from_millis(2);

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
    /// How many commits the last round had.
    last_round: usize,
    /// How long it took to apply and sync it.
    last_took: Duration,
}

impl<B: Backend> Committer<B> {
    pub(super) fn new(shared: Arc<Shared<B>>, queue: mpsc::Receiver<Job>, usage: Usage) -> Self {
        Self {
            shared,
            queue,
            usage,
            last_round: 0,
            last_took: Duration::ZERO,
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
                    self.last_round = commits.len();
                    self.round(commits);
                    if let Some(started) = then {
                        pause(started);
                    }
                }
            }
        }
    }

    /// Lets a round grow while many write at a time. Somebody who writes alone never waits.
    fn gather(&self) {
        if self.last_round < COMPANY {
            return;
        }
        let longest = self.last_took.min(MAX_GATHERING);
        let begun = Instant::now();
        let (mut waiting, mut quiet) = (self.queue.len(), 0);
        // The first of the round is no longer in the queue.
        while waiting + 1 < ENOUGH && quiet < QUIET_STEPS && begun.elapsed() < longest {
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
        let (mut answers, applicable) = self.check(commits);
        if let Some(Err(reason)) = applicable.map(|applicable| self.perform(applicable)) {
            for (_, outcome) in &mut answers {
                if matches!(outcome, Outcome::Committed(_)) {
                    *outcome = Outcome::Unknown(reason.clone());
                }
            }
        }
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
        self.shared.backend.sync().map_err(|error| self.shared.fail(&error))?;
        self.last_took = begun.elapsed();
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
