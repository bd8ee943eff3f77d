//! Who may do what: pure decisions, no I/O, no async.

mod authorize;
mod caller;
pub mod grants;
mod limits;
mod scope;

#[cfg(test)]
mod tests;

pub use authorize::{Permit, Refusal, authorize};
pub use caller::{ADMINISTRATOR, Account, Caller};
pub use limits::Limits;
pub use scope::Scope;
