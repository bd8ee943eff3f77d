//! One attempt at the calls of a request: a transaction, the operations, the commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;

use crate::capabilities::context::CallContext;
use crate::capabilities::documents::Error;
use crate::capabilities::json;
use crate::capabilities::log::LogBudget;
use crate::capabilities::model::{Document, Problem};
use crate::manifest::Action;
use crate::sandbox::{self, Finished, Invocation, Seed};
use crate::storage::engine::Key;
use crate::storage::transaction::{Ended, Transaction};

use super::call::{Call, Work};
use super::failure::{Failure, Fault};
use super::operation::Reply;
use super::registry::{Kind, Resource};
use super::{Dispatch, crud, fields, hooks, idempotency};
use crate::policy::Permit;

/// The most bytes of bodies that the answer to one request has, that of a batch included.
const MAX_ANSWER_BYTES: usize = 16 * 1_024 * 1_024;

/// One call of a request.
pub(super) struct Step {
    pub(super) permit: Permit,
    pub(super) call: Call,
    pub(super) resource: Arc<Resource>,
}

/// Why an attempt ended without replies.
#[derive(Debug)]
pub(super) enum Stop {
    /// What was read has changed: to be tried again.
    Conflict(BTreeSet<Key>),
    /// The request was answered before, with this.
    Replay(Bytes),
    /// That's it.
    Failed(Failure),
}

/// What all operations of an attempt share.
#[derive(Clone)]
pub(super) struct Bounds {
    pub(super) deadline: Instant,
    pub(super) seed: Seed,
}

impl Dispatch {
    /// Tries once. A failure says at which call it happened.
    pub(super) async fn attempt(&self, work: &Work) -> Result<Vec<Reply>, (usize, Stop)> {
        let transaction = Transaction::begin(Arc::clone(&self.parts.engine), self.parts.clock.now_ms());
        let (mut transaction, served) = self.serve_all(work, transaction).await;
        // What fails behind the last call is told of it; it is the only one of most requests.
        let last = work.steps.len() - 1;
        let kept = served.and_then(
            |replies| match idempotency::keep(work, &replies.done, &mut transaction) {
                Ok(()) => Ok(replies),
                Err(stop) => Err((last, stop)),
            },
        );
        match kept {
            Ok(replies) => match transaction.commit().await {
                Ok(_) => Ok(replies.done),
                Err(ended) => Err((last, ended.into())),
            },
            // A refusal rests on what was read, and may leave only once that is durable.
            Err((at, stop)) => match transaction.abandon().await {
                Ok(()) => Err((at, stop)),
                Err(ended) => Err((at, ended.into())),
            },
        }
    }

    /// Serves the calls one after the other. The transaction comes back whatever happens.
    async fn serve_all(
        &self,
        work: &Work,
        mut transaction: Transaction,
    ) -> (Transaction, Result<Replies, (usize, Stop)>) {
        if let Err(stop) = idempotency::refuse_answered(work, &mut transaction).await {
            return (transaction, Err((0, stop)));
        }
        let mut replies = Replies::default();
        for (index, step) in work.steps.iter().enumerate() {
            if index > 0 {
                // What the host serves itself never waits, and a batch of it must not hold up others.
                tokio::task::yield_now().await;
                if Instant::now() >= work.deadline {
                    return (transaction, Err((index, Failure::Fault(Fault::Deadline).into())));
                }
            }
            let bounds = Bounds {
                deadline: work.deadline,
                seed: work.seed.clone(),
            };
            let (context, result) = step.serve(self.context(step, transaction), bounds).await;
            let result = result.and_then(|reply| Ok(fields::shown(step, &context.catalogue, reply)?));
            transaction = context.transaction;
            if let Err(stop) = result.and_then(|reply| replies.add(reply)) {
                return (transaction, Err((index, stop)));
            }
        }
        (transaction, Ok(replies))
    }

    fn context(&self, step: &Step, transaction: Transaction) -> Box<CallContext> {
        let plugin = &step.resource.plugin;
        Box::new(CallContext::new(
            transaction,
            (self.parts.catalogue.current(), Arc::clone(&self.parts.cursors)),
            &step.permit,
            (Arc::clone(&plugin.context), Arc::clone(&plugin.reach)),
            Arc::clone(&step.call.request),
            LogBudget::new(plugin.limits.log_lines, plugin.limits.log_kib as usize * 1_024),
        ))
    }
}

/// The replies so far.
#[derive(Default)]
struct Replies {
    done: Vec<Reply>,
    bytes: usize,
}

impl Replies {
    fn add(&mut self, reply: Reply) -> Result<(), Stop> {
        self.bytes += reply.bytes();
        if self.bytes > MAX_ANSWER_BYTES {
            return Err(too_large(format!(
                "the answer has more than {} MiB",
                MAX_ANSWER_BYTES >> 20
            )));
        }
        self.done.push(reply);
        Ok(())
    }
}

impl Step {
    async fn serve(&self, mut context: Box<CallContext>, bounds: Bounds) -> (Box<CallContext>, Result<Reply, Stop>) {
        if let Err(stop) = self.check_precondition(&mut context).await {
            return (context, Err(stop));
        }
        let ready = match fields::ready(self, &mut context).await {
            Ok(ready) => ready,
            Err(stop) => return (context, Err(stop)),
        };
        match self.resource.kind {
            Kind::Crud => crud::serve(self, ready, context, bounds).await,
            Kind::Hooks => hooks::serve(self, ready, context, bounds).await,
        }
    }

    async fn check_precondition(&self, context: &mut CallContext) -> Result<(), Stop> {
        let Some((id, wanted)) = self.call.operation.precondition() else {
            return Ok(());
        };
        let current = context.documents(&self.resource.name, Action::Read)?.get(id).await?;
        let current = current.ok_or(Failure::Problem(Problem::NotFound))?;
        if wanted.holds(current.revision) {
            Ok(())
        } else {
            Err(Failure::PreconditionFailed.into())
        }
    }

    /// What the plugin is called with.
    pub(super) fn invocation(&self, context: Box<CallContext>, bounds: Bounds) -> Invocation {
        let plugin = &self.resource.plugin;
        Invocation {
            context,
            limits: Arc::clone(&plugin.call_limits),
            deadline: bounds.deadline.min(Instant::now() + plugin.deadline),
            seed: bounds.seed,
        }
    }

    /// What came of calling the plugin.
    pub(super) fn finish<T>(&self, finished: Finished<T>) -> (Box<CallContext>, Result<T, Stop>) {
        let Finished {
            mut context, result, ..
        } = finished;
        let result = match result {
            Ok(Ok(answer)) => Ok(answer),
            // A refusal of the host's that the plugin passes on keeps what the contract has no word for.
            Ok(Err(problem)) => Err(match context.refusal.take() {
                Some(refusal) if problem == Problem::Other(refusal.to_string()) => refusal.into(),
                _ => Failure::Problem(problem).into(),
            }),
            Err(fault) => Err(self.fault(fault)),
        };
        (context, result)
    }

    fn fault(&self, fault: sandbox::Fault) -> Stop {
        let named = match fault {
            sandbox::Fault::Ended(ended) => return ended.into(),
            sandbox::Fault::Busy => return Failure::Overloaded { retry_after_s: 1 }.into(),
            sandbox::Fault::Trap { .. } => Fault::Trap,
            sandbox::Fault::Deadline => Fault::Deadline,
            sandbox::Fault::Cpu => Fault::Cpu,
            sandbox::Fault::Memory => Fault::Memory,
            sandbox::Fault::Stack => Fault::Stack,
            sandbox::Fault::Table => Fault::Table,
            sandbox::Fault::Output => Fault::Output,
            sandbox::Fault::HostCalls => Fault::HostCalls,
            sandbox::Fault::Denied(_) => Fault::Denied,
            sandbox::Fault::Malformed(_) => Fault::Malformed,
        };
        Failure::Fault(named).into()
    }
}

/// The stored body, which the host itself wrote.
pub(super) fn parsed(document: &Document) -> Result<Value, Stop> {
    json::parse(&document.body).map_err(|error| {
        tracing::error!(target: "dispatch", id = %document.id, %error, "a stored document is not JSON: run `portcullis verify`");
        Failure::Unavailable.into()
    })
}

fn too_large(reason: String) -> Stop {
    Failure::TooLarge(reason).into()
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Failure::Problem(problem).into()
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => Failure::Problem(problem).into(),
            Error::IndexRequired { index, being_built } => Failure::IndexRequired { index, being_built }.into(),
            Error::TooManyRows(message) => Failure::TooManyRows(message).into(),
            Error::BadSelection { code, message } => Failure::BadSelection { code, message }.into(),
            Error::Ended(ended) => ended.into(),
        }
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Conflict(keys) => Self::Conflict(keys),
            Ended::Duplicate(answer) => Self::Replay(answer),
            Ended::Full(quota) if quota.namespace == idempotency::NAMESPACE => Failure::KeptAnswersFull.into(),
            Ended::Full(quota) => Failure::StorageFull {
                limit_bytes: quota.limit_bytes,
            }
            .into(),
            Ended::TooLarge(reason) => too_large(reason),
            Ended::Unavailable(reason) => {
                tracing::error!(target: "dispatch", reason, "the store is unavailable");
                Failure::Unavailable.into()
            }
            Ended::Unknown(reason) => {
                tracing::error!(target: "dispatch", reason, "a commit may or may not survive");
                Failure::OutcomeUnknown.into()
            }
        }
    }
}
