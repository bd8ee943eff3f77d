//! Benchmarks of Portcullis: what `docs/benchmarks.md` says, repeatable.
//!
//! `benches/` measures the inside with criterion. `src/bin/load.rs` measures the whole over loopback, next to
//! `src/bin/baseline.rs`, a server without Portcullis that answers the same.

pub mod contest;
pub mod engine;
pub mod process;
pub mod wire;
