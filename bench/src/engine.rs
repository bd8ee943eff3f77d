//! The bare engine, as the benchmarks use it: what a create of a client comes to when all above storage is taken away.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use portcullis::storage::engine::{Commit, Engine, Put};
use portcullis::storage::keyspace;
use uuid::Uuid;
