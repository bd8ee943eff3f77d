//! How a call breaks: the names that the rest of the host knows.

use crate::storage::transaction::Ended;

/// Why a call gave no answer. The texts are for the log; a client sees only which fault it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The plugin trapped: a panic, an access out of bounds, a division by zero.
    #[error("the plugin trapped: {message}")]
    Trap {
        /// What the trap was.
        message: String,
    },
    /// The deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The CPU time is used up.
    #[error("the CPU time is used up: raise limits.cpu_ms, or do less in one call")]
    Cpu,
    /// The plugin wanted more memory than it may have.
    #[error("the memory limit is reached: raise limits.memory_mib, or keep less at a time")]
    Memory,
    /// The stack overflowed.
    #[error("the stack overflowed: recurse less deeply")]
    Stack,
    /// The plugin wanted a larger table than it may have.
    #[error("the table limit is reached: raise limits.table_elements")]
    Table,
    /// The plugin returned more than it may.
    #[error("the answer is too large: raise limits.output_kib, or return less")]
    Output,
    /// The plugin called the host too often, or holds too many handles.
    #[error("too many host calls or handles: raise limits.host_calls, or ask for more at a time")]
    HostCalls,
    /// The plugin tried what its role denies.
    #[error("denied: {0}")]
    Denied(&'static str),
    /// The call's transaction ended under it.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Every instance is in use.
    #[error("every instance is in use")]
    Busy,
    /// What the plugin returned makes no sense.
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
}
