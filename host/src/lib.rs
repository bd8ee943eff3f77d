//! Portcullis: a plugin-host backend. Each layer uses only the layers below it.
//!
//! | layer | what it is |
//! | --- | --- |
//! | `app`, `cli` | composition root and commands |
//! | `http`, `workers` | the HTTP contract; what runs without a request |
//! | `dispatch` | which plugin serves a call, its admission, its retries |
//! | `accounts` | who somebody is, and how that is proved |
//! | `sandbox` | the only user of wasmtime |
//! | `capabilities` | what a plugin can ask for, as plain Rust |
//! | `policy`, `storage` | who may do what; the store |
//! | `manifest` | what a plugin declares |
//!
//! `config` and `telemetry` may be used anywhere.

pub mod accounts;
pub mod app;
pub mod capabilities;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod http;
pub mod manifest;
pub mod policy;
pub mod sandbox;
pub mod storage;
pub mod telemetry;
pub mod workers;

/// For the host, its tests and its benchmarks alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
