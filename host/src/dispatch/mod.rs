//! Which plugin serves a call, whether there is room for it, and its retries.

mod failure;
mod operation;

pub use failure::{Failure, Fault};
pub use operation::{Answer, IdempotencyKey, Operation, Precondition, Reply};
