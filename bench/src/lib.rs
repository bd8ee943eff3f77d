//! Benchmarks of Portcullis.
