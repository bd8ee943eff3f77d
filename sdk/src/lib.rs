//! Write Portcullis plugins in Rust.
