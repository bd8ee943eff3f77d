//! Why a call did not succeed: named once here, mapped to a status once in `http::problem`.

use crate::capabilities::model::Problem;

/// Why a call did not succeed. Nothing that it wrote is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The plugin refused, or the host's own checks did.
    Problem(Problem),
    /// `If-Match` names another revision: 412.
    PreconditionFailed,
    /// A filter or sort has no index, and too many rows would have to be examined: 422, with the index to declare.
    IndexRequired {
        /// The fields of the index, `-` before a descending one.
        index: Vec<String>,
        /// It is declared, and being built: the same request will be served soon.
        being_built: bool,
    },
    /// What the request reads, writes or asks for is beyond what one request may: 422.
    TooLarge(String),
    /// Too many rows would have to be examined, and no index helps: 422.
    TooManyRows(String),
    /// The selection makes no sense for this resource: 400.
    BadSelection {
        /// A stable word for programs, such as `unknown_field`.
        code: &'static str,
        /// A sentence for people.
        message: String,
    },
    /// The plugin broke or exceeded a limit.
    Fault(Fault),
    /// The resource was removed while the request was on its way: 404.
    Removed,
    /// No place is free and the queue is full: 503.
    Overloaded {
        /// Seconds until another try makes sense.
        retry_after_s: u32,
    },
    /// Other writers won until the deadline: 503.
    Contention,
    /// The plugin's storage limit is reached: 507.
    StorageFull {
        /// The limit.
        limit_bytes: u64,
    },
    /// No more answers are kept for this caller: 507.
    KeptAnswersFull,
    /// The store takes no writes or can't be read: 503. The reason is in the log.
    Unavailable,
    /// Nobody knows whether the write survives: 503. The reason is in the log.
    OutcomeUnknown,
    /// The idempotency key was used with another body: 422.
    IdempotencyMismatch,
    /// A request with the same idempotency key is being served: 409.
    IdempotencyInFlight,
}

/// How a plugin broke. Details are in the log, never in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It trapped or panicked: 502.
    Trap,
    /// It did not answer before its deadline: 504.
    Deadline,
    /// It used more CPU time than it may: 504.
    Cpu,
    /// It asked for more memory than it may: 502.
    Memory,
    /// It overflowed its stack: 502.
    Stack,
    /// It asked for a larger table than it may: 502.
    Table,
    /// It returned more than it may: 502.
    Output,
    /// It called the host more often than it may, or holds too many handles: 502.
    HostCalls,
    /// It asked for what is denied to its role, such as sleeping: 502.
    Denied,
    /// What it returned makes no sense: 502.
    Malformed,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
