//! Lines in the host's log. They are limited for each call; what is over the limit is dropped.

use std::fmt::Display;

use crate::host;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, and handled.
    Warn,
    /// A fault.
    Error,
    /// A fault that somebody must see now.
    Critical,
}

/// Writes a line.
///
/// ```
/// # portcullis_sdk::testing::Host::new().call(|| {
/// portcullis_sdk::log::info(format_args!("{} lines were merged", 3));
/// # Ok(()) }).unwrap();
/// ```
pub fn write(level: Level, message: impl Display) {
    host::log::write(level, &message.to_string());
}

/// Writes a line of [`Level::Debug`].
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// Writes a line of [`Level::Info`].
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// Writes a line of [`Level::Warn`].
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// Writes a line of [`Level::Error`].
pub fn error(message: impl Display) {
    write(Level::Error, message);
}
