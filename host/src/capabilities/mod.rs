//! What a plugin can ask the host for, as plain Rust: no wasmtime here.

pub mod context;
pub mod json;
pub mod log;
pub mod model;
pub mod request;
