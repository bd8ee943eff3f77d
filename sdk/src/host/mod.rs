//! The other side of the gate: the real host in a component, [`testing::Host`](crate::testing::Host) elsewhere. Both
//! modules have the same functions.

#[cfg(target_family = "wasm")]
mod imported;
#[cfg(target_family = "wasm")]
pub(crate) use imported::{config, documents, keyvalue, log, request};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::current::{config, documents, keyvalue, log, request};
