//! `wasi:keyvalue`
