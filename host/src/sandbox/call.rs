//! What a plugin is called with, and what comes back.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::capabilities::context::CallContext;
use crate::capabilities::model::{Document, Page, Problem, Selection};
use crate::manifest::Limits;

use super::fault::Fault;

/// One call of a plugin: what it acts on, and how far it may go.
pub struct Invocation {
    /// The call's view of the host; comes back in `Finished`, whatever happens. In a box, as it is handed on a dozen times.
    pub context: Box<CallContext>,
    /// The limits of the attempt.
    pub limits: Arc<CallLimits>,
    /// When the call is ended, whether it computes or waits.
    pub deadline: Instant,
    /// What the plugin's random numbers come from; the attempts of one request share it.
    pub seed: Seed,
}

/// The limits of one attempt of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Bytes of linear memory, all memories of the instance together.
    pub memory_bytes: usize,
    /// Elements of one table.
    pub table_elements: usize,
    /// CPU time, that of host calls included.
    pub cpu: Duration,
    /// Bytes of what the call returns.
    pub output_bytes: usize,
    /// Calls of host functions; those of WASI, which never wait, count only as CPU time.
    pub host_calls: u32,
    /// Bytes of standard output and standard error.
    pub stdio_bytes: usize,
}

impl From<&Limits> for CallLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory_mib as usize * 1_024 * 1_024,
            table_elements: limits.table_elements as usize,
            cpu: Duration::from_millis(limits.cpu_ms.into()),
            output_bytes: limits.output_kib as usize * 1_024,
            host_calls: limits.host_calls,
            stdio_bytes: limits.log_kib as usize * 1_024,
        }
    }
}

/// The seed of a request's random numbers: 256 bits from the operating system, drawn when a plugin first asks.
/// It has no text form, so that it can't be logged.
#[derive(Clone, Default)]
pub struct Seed(Arc<OnceLock<[u8; 32]>>);

impl Seed {
    /// A seed that is known beforehand, so that a call can be repeated exactly.
    pub fn fixed(bytes: [u8; 32]) -> Self {
        Self(Arc::new(OnceLock::from(bytes)))
    }

    /// The seed. The operating system is asked once, long after it has started, when it always has an answer.
    pub(super) fn bytes(&self) -> [u8; 32] {
        *self.0.get_or_init(|| {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).expect("random bytes of the operating system");
            bytes
        })
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed")
    }
}

/// A call of the export `crud`. Bodies are JSON objects as text.
#[derive(Clone, Copy, Debug)]
pub enum CrudCall<'a> {
    /// Serves a list.
    Query {
        /// The resource's collection.
        collection: &'a str,
        /// What to list.
        selection: &'a Selection,
    },
    /// Serves one document.
    Read {
        /// The resource's collection.
        collection: &'a str,
        /// The document.
        id: &'a str,
    },
    /// Creates a document.
    Create {
        /// The resource's collection.
        collection: &'a str,
        /// The body, which has passed the schema.
        body: &'a str,
    },
    /// Replaces a document's body.
    Replace {
        /// The resource's collection.
        collection: &'a str,
        /// The document.
        id: &'a str,
        /// The new body, which has passed the schema.
        body: &'a str,
    },
    /// Patches a document's body.
    Patch {
        /// The resource's collection.
        collection: &'a str,
        /// The document.
        id: &'a str,
        /// A JSON Merge Patch (RFC 7396).
        merge_patch: &'a str,
    },
    /// Removes a document.
    Remove {
        /// The resource's collection.
        collection: &'a str,
        /// The document.
        id: &'a str,
    },
}

/// What a call of `crud` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrudReply {
    /// To `Query`.
    Page(Page),
    /// To `Read`, `Create`, `Replace` and `Patch`.
    Document(Document),
    /// To `Remove`.
    Removed,
}

/// A call of the export `hooks`. Bodies are JSON objects as text.
#[derive(Clone, Copy, Debug)]
pub enum HookCall<'a> {
    /// Before a document is created.
    BeforeCreate {
        /// The collection.
        collection: &'a str,
        /// The body, which has passed the schema.
        body: &'a str,
    },
    /// Before a document is replaced or patched.
    BeforeUpdate {
        /// The collection.
        collection: &'a str,
        /// The document as it is.
        current: &'a Document,
        /// The whole new body, which has passed the schema.
        next: &'a str,
    },
    /// Before a document is removed.
    BeforeDelete {
        /// The collection.
        collection: &'a str,
        /// The document as it is.
        current: &'a Document,
    },
}

/// What a hook answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookReply {
    /// The body to store, to be checked by the caller: it is the plugin's word.
    Body(String),
    /// The document may be removed.
    Allowed,
}

/// A call that has ended, one way or another.
pub struct Finished<T> {
    /// What the call was given, with what it did to it.
    pub context: Box<CallContext>,
    /// The plugin's answer, its refusal, or how it broke.
    pub result: Result<Result<T, Problem>, Fault>,
    /// The CPU time of the attempt.
    pub cpu: Duration,
}
