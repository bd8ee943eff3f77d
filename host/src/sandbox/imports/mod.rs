//! What a plugin can call: one file per WIT interface, which converts and delegates to `capabilities`.

mod config;
mod documents;
pub(super) mod keyvalue;
mod logging;
mod request;
