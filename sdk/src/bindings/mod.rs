//! The bindings that wit-bindgen generated from `wit/`; `tests/tests/sdk_bindings.rs` holds them up to date.
//!
//! One world for each role: a component exports a role where its author expands that role's macro, and the
//! component type of the role comes with the macro. All of them share the types of `imports`.

// Generated code: it crosses the boundary between two memories, which is what `unsafe` is for.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic
)]
#![allow(
    clippy::uninlined_format_args,
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    clippy::unwrap_used
)]

#[rustfmt::skip]
pub mod crud;
#[rustfmt::skip]
pub mod hooks;
#[rustfmt::skip]
pub mod imports;

/// The runtime that the generated code calls.
pub mod rt {
    pub use wit_bindgen::rt::*;
}
