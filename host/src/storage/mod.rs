//! The store: the engine seam, the engines behind it, and the transaction that a call works in.

pub mod engine;
pub mod keyspace;
pub mod memory;
pub mod transaction;
