//! Who may do what: pure decisions, no I/O, no async.

mod authorize;
mod caller;
pub mod cedar;
mod explain;
pub mod grants;
mod limits;
mod rules;
mod scope;

#[cfg(test)]
mod tests;

pub use authorize::{Permit, Refusal, authorize, authorize_again, authorize_own};
pub use caller::{ADMINISTRATOR, Account, Caller};
pub use cedar::{Facts, Prepared};
pub use explain::{Explanation, Reason, explain};
pub use limits::Limits;
pub use rules::Rules;
pub use scope::Scope;
