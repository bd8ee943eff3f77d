//! The HTTP contract: the way of a request from the listener to the reply. The only user of hyper's server.

mod conditional;
mod idempotency;
mod media;
mod query;
mod trace;
mod xml;
