//! Write Portcullis plugins in Rust.
//!
//! A plugin is a WebAssembly component, built for `wasm32-wasip2`. The host owns HTTP, identity, data and security policy;
//! a plugin owns its business logic, and exports a role:
//!
//! - [`Crud`] serves whole resources ([`export_crud!`]);
//! - [`Hooks`] has a say before writes ([`export_hooks!`]); the host serves the reads itself.
//!
//! One component may export several. Within a call there are [`documents`], [`keyvalue`], [`config`], [`log`](mod@log) and
//! [`request`]; [`testing`] is a host in memory, so that plain `cargo test` tests a plugin.
//!
//! ```
//! use portcullis_sdk::{Hooks, Json, Problem, Result, export_hooks};
//!
//! struct Rooms;
//!
//! impl Hooks for Rooms {
//!     fn before_write(_collection: &str, body: Json) -> Result<Json> {
//!         let mut room = body.to_value()?;
//!         let name = room["name"].as_str().unwrap_or_default().trim().to_owned();
//!         if name.is_empty() {
//!             return Err(Problem::invalid("/name", "A room has a name."));
//!         }
//!         room["name"] = name.into();
//!         Ok(room.into())
//!     }
//! }
//!
//! export_hooks!(Rooms);
//! ```
//!
//! With `crate-type = ["cdylib", "rlib"]` in its `[lib]`, `cargo build --release --target wasm32-wasip2` builds the component.
//! What it prints, panics included, goes to the log. Prefer `BTreeMap` to `HashMap`: the latter asks WASI for random numbers, and
//! each import costs the host time at every call.

// The generated bindings, and the macros in an author's crate, name this crate by the same path.
extern crate self as portcullis_sdk;

#[doc(hidden)]
pub mod bindings;
pub mod config;
mod convert;
mod crud;
mod document;
pub mod documents;
#[doc(hidden)]
pub mod export;
mod hooks;
mod host;
mod json;
pub mod keyvalue;
pub mod log;
mod problem;
pub mod request;
mod selection;
#[cfg(all(target_family = "wasm", feature = "log-stdio"))]
mod stdio;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use crud::Crud;
pub use document::{Document, Page};
pub use hooks::Hooks;
pub use json::{FromJson, Json, ToJson};
pub use problem::{Problem, Result, Violation, Violations};
pub use selection::{Clause, Operator, Order, Selection};
