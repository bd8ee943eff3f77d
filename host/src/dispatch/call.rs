//! The calls of one request: in one transaction, tried again while others change what they read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::capabilities::request::RequestInfo;
use crate::policy::{Caller, Permit};
use crate::sandbox::Seed;
use crate::storage::engine::Key;

use super::Dispatch;
use super::admission::Admission;
use super::attempt::{Step, Stop};
use super::failure::{Failure, Fault};
use super::operation::{IdempotencyKey, Operation, Reply};
use super::{fields, idempotency};

/// One call on a resource.
#[derive(Clone, Debug)]
pub struct Call {
    /// What to do.
    pub operation: Operation,
    /// The request that asks for it.
    pub request: Arc<RequestInfo>,
    /// Where the answer is kept, if the client asked for that.
    pub idempotency: Option<IdempotencyKey>,
}

/// The replies to one request, one for each of its operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In the order of the operations.
    pub replies: Vec<Reply>,
    /// Whether they were given before, under the same idempotency key.
    pub replayed: bool,
}

/// So often a request that only reads is overtaken by writers before it has them wait.
const OVERTAKEN: u32 = 2;

/// The calls of one request, with what all attempts share.
pub(super) struct Work {
    pub(super) steps: Vec<Step>,
    pub(super) idempotency: Option<IdempotencyKey>,
    pub(super) deadline: Instant,
    pub(super) seed: Seed,
}

impl Work {
    /// Who calls: one caller for all calls of a request.
    pub(super) fn caller(&self) -> &Caller {
        self.steps
            .first()
            .map_or(&Caller::Anonymous, |step| step.permit.caller())
    }

    fn only_reads(&self) -> bool {
        let reads = |step: &Step| matches!(step.call.operation, Operation::List(_) | Operation::Read { .. });
        self.steps.iter().all(reads)
    }
}

impl Dispatch {
    /// Does what a permit allows. The reply says beside it whether it was given before.
    pub async fn call(&self, permit: Permit, admission: Admission, call: Call) -> Result<(Reply, bool), Failure> {
        let idempotency = call.idempotency;
        let answer = self.call_all(vec![(permit, call)], admission, idempotency).await;
        let Answer { mut replies, replayed } = answer.map_err(|(_, failure)| failure)?;
        let reply = replies.pop().expect("one reply to one call");
        Ok((reply, replayed))
    }

    /// Does all of it in one transaction, or nothing. `admission` was given for these permits, in this order. A failure
    /// says at which call it happened.
    pub async fn call_all(
        &self,
        calls: Vec<(Permit, Call)>,
        admission: Admission,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Answer, (usize, Failure)> {
        let Admission {
            resources, deadline, ..
        } = &admission;
        let steps = calls.into_iter().zip(resources);
        let steps = steps.map(|((permit, call), resource)| Step {
            permit,
            call,
            resource: Arc::clone(resource),
        });
        let work = Work {
            steps: steps.collect(),
            idempotency,
            deadline: *deadline,
            seed: Seed::default(),
        };
        let _alone = match &work.idempotency {
            Some(key) => Some(self.in_flight.enter(key).map_err(|failure| (0, failure))?),
            None => None,
        };
        self.until_done(&work).await
    }

    pub(super) async fn until_done(&self, work: &Work) -> Result<Answer, (usize, Failure)> {
        let mut contended: BTreeSet<Key> = BTreeSet::new();
        let mut held = None;
        let mut overtaken = 0;
        loop {
            let pause = if overtaken >= OVERTAKEN && work.only_reads() {
                let pause = tokio::time::timeout_at(work.deadline.into(), self.parts.engine.pause());
                pause.await.map_err(|_| (0, Failure::Contention))?
            } else {
                None
            };
            let attempt = self.attempt(work).await;
            drop(pause);
            let (at, stop) = match attempt {
                Ok(replies) => {
                    return Ok(Answer {
                        replies,
                        replayed: false,
                    });
                }
                Err(stopped) => stopped,
            };
            // The locks are taken in one order: so what is held is given back before more is taken.
            let was_retried = held.take().is_some();
            match stop {
                Stop::Conflict(keys) => {
                    contended.extend(keys);
                    overtaken += 1;
                }
                Stop::Replay(answer) => return self.replay(work, &answer),
                // The time went into the attempts before this one.
                Stop::Failed(Failure::Fault(Fault::Deadline)) if was_retried => return Err((at, Failure::Contention)),
                Stop::Failed(failure) => return Err((at, failure)),
            }
            let lock = tokio::time::timeout_at(work.deadline.into(), self.locks.lock(&contended));
            held = Some(lock.await.map_err(|_| (at, Failure::Contention))?);
            if Instant::now() >= work.deadline {
                return Err((at, Failure::Contention));
            }
        }
    }

    /// Answers as before, but for what schemas hide since.
    fn replay(&self, work: &Work, kept: &[u8]) -> Result<Answer, (usize, Failure)> {
        let mut answer = idempotency::replay(work, kept).map_err(|failure| (0, failure))?;
        let catalogue = self.parts.catalogue.current();
        let replies = work.steps.iter().zip(answer.replies).enumerate();
        let shown =
            replies.map(|(at, (step, reply))| fields::shown(step, &catalogue, reply).map_err(|failure| (at, failure)));
        answer.replies = shown.collect::<Result<_, _>>()?;
        Ok(answer)
    }
}
