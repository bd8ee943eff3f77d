//! Who may do what: pure decisions, no I/O, no async.

mod authorize;
mod caller;
pub mod grants;
mod scope;

#[cfg(test)]
mod tests;

pub use authorize::{Permit, Refusal, authorize};
pub use caller::{ADMINISTRATOR, Account, Caller};
pub use scope::Scope;
