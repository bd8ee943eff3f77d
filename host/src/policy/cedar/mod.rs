//! Policies in Cedar: the access words in that language, and the files that an operator adds to them.
//!
//! Where no file of the operator's can apply, the words are decided natively, which a property test holds equal to their
//! Cedar form. Where one can, Cedar decides, over the few policies that can apply: they are picked out when they are loaded. What it has
//! decided is remembered.

mod asked;
mod decide;
mod document;
mod memory;
mod names;
mod principal;
mod schema;
mod set;
mod source;
mod specialise;
mod words;

#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod words_tests;

pub use decide::{CedarScope, Slice, Verdict};
pub use document::Facts;
pub use principal::{Kind, Prepared, Principal};
pub use schema::text as schema_text;
pub use set::{MAX_POLICIES, Policies, ResourcePolicies};
