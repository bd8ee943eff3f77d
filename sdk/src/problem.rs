//! Why a plugin refuses a call.

use std::fmt;

/// What a plugin's functions return; the error is a [`Problem`] where nothing else is said.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// Why a call is refused. The host answers with an RFC 9457 problem, and **the texts reach the client**.
///
/// ```
/// use portcullis_sdk::{Problem, Result};
///
/// fn quantity(text: &str) -> Result<u32> {
///     let quantity = serde_json::from_str(text)?; // not a number: 422
///     if quantity > 100 {
///         return Err(Problem::invalid("/quantity", "At most 100 pieces."));
///     }
///     Ok(quantity)
/// }
/// assert!(matches!(quantity("1000"), Err(Problem::Invalid(violations)) if violations[0].pointer == "/quantity"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 422: the body breaks rules; each violation names its place.
    Invalid(Vec<Violation>),
    /// 404: no such document, or the caller may not know of it.
    NotFound,
    /// 409: the state forbids it.
    Conflict(String),
    /// 403: readable, but not permitted.
    Forbidden(String),
    /// 503: try again later.
    Unavailable(String),
    /// 500: anything else.
    Other(String),
}

impl Problem {
    /// 422 with one violation; the pointer (RFC 6901) names the place in the body, and is empty for the whole.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation {
            pointer: pointer.into(),
            message: message.into(),
        }])
    }

    /// 409: the state forbids it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict(message.into())
    }

    /// 403: readable, but not permitted.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden(message.into())
    }

    /// 503: try again later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable(message.into())
    }

    /// 500: anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other(message.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(violations) => {
                formatter.write_str("invalid")?;
                for Violation { pointer, message } in violations {
                    write!(formatter, "; {pointer}: {message}")?;
                }
                Ok(())
            }
            Self::NotFound => formatter.write_str("not found"),
            Self::Conflict(message) => write!(formatter, "conflict: {message}"),
            Self::Forbidden(message) => write!(formatter, "forbidden: {message}"),
            Self::Unavailable(message) => write!(formatter, "unavailable: {message}"),
            Self::Other(message) => formatter.write_str(message),
        }
    }
}

impl std::error::Error for Problem {}

/// A value that does not fit a type is the client's doing (the schema let it pass), so it is a 422.
impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            Self::Other(error.to_string())
        } else {
            Self::invalid("", error.to_string())
        }
    }
}

/// What is wrong with one place of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// A JSON Pointer (RFC 6901) into the body; empty for the whole.
    pub pointer: String,
    /// A sentence for the client.
    pub message: String,
}

/// Collects all that is wrong with a body, so that the client learns it in one answer.
///
/// ```
/// use portcullis_sdk::{Problem, Violations};
///
/// let mut violations = Violations::default();
/// violations.require(false, "/name", "A name has at least one letter.");
/// violations.require(true, "/size", "A size is not negative.");
/// assert_eq!(violations.finish(), Err(Problem::invalid("/name", "A name has at least one letter.")));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "call `finish` to refuse the body"]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a violation where `holds` is false.
    pub fn require(&mut self, holds: bool, pointer: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.0.push(Violation {
                pointer: pointer.into(),
                message: message.into(),
            });
        }
    }

    /// A 422 with everything noted, or nothing.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problem::Invalid(self.0))
        }
    }
}
