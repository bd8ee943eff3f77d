//! The only place where a key is formed.
