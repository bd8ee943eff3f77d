//! What a plugin may know about the call that it serves.

use crate::host;

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nobody signed in.
    Anonymous,
    /// The id of the account.
    Account(String),
    /// The holder of the operator token.
    Operator,
    /// The host itself: an import, a schedule, a worker.
    Host,
}

/// The request's id, as in the `X-Request-Id` header.
pub fn id() -> String {
    host::request::id()
}

/// Who is calling.
pub fn caller() -> Identity {
    host::request::caller()
}

/// Whether the caller has the named role; the operator has every role.
pub fn has_role(role: &str) -> bool {
    host::request::has_role(role)
}

/// Milliseconds since the Unix epoch, UTC; does not move during a call.
pub fn now_ms() -> u64 {
    host::request::now_ms()
}

/// The caller's preferred language (a BCP 47 tag), `en` where none was given.
pub fn locale() -> String {
    host::request::locale()
}

/// The value of a request header that the operator lets plugins see, by its lower-case name.
pub fn header(name: &str) -> Option<String> {
    host::request::header(name)
}
