//! What a plugin can ask the host for, as plain Rust: no wasmtime here.

pub mod catalogue;
pub mod context;
pub mod documents;
pub mod erasure;
#[cfg(test)]
mod fixture;
pub mod json;
pub mod keyvalue;
pub mod log;
pub mod model;
pub mod request;
