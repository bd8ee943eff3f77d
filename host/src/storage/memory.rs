//! The engine that keeps everything in memory, for tests and for `--data memory`.
