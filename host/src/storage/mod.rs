//! The store: the engine seam, the engines behind it, and the transaction that a call works in.

pub mod audit;
pub mod change_log;
pub mod clock;
#[cfg(test)]
mod conformance_model;
#[cfg(test)]
mod conformance_tests;
pub mod disk;
pub mod dump;
mod dump_format;
mod durable;
pub mod engine;
pub mod expiry;
pub mod keyspace;
pub mod local;
pub mod locks;
pub mod memory;
pub mod outbox;
#[cfg(test)]
mod outbox_tests;
#[cfg(test)]
mod pause_tests;
pub mod restore;
pub mod search;
pub mod transaction;
pub mod verify;
#[cfg(test)]
pub(crate) mod watched;
