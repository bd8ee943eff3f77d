//! From an error of wasmtime to a `Fault`, with the guest's backtrace for the log.

use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::capabilities::context::CallContext;

use super::fault::Fault;
use super::limits::{Exceeded, Limiter};

/// The most characters of a backtrace that are logged: the names in it are the guest's.
const BACKTRACE_CHARACTERS: usize = 8_192;

/// A fault on its way through the guest's frames, up to the call.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Interrupt(Fault);

impl Interrupt {
    /// The error that ends the guest with this fault.
    pub(super) fn raise(fault: impl Into<Fault>) -> wasmtime::Error {
        wasmtime::Error::new(Self(fault.into()))
    }
}

/// Names what ended a guest.
pub(super) fn classify(error: &wasmtime::Error, limiter: &Limiter) -> Fault {
    if let Some(Interrupt(fault)) = error.downcast_ref() {
        return fault.clone();
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Fault::Busy;
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref() {
        return Fault::Stack;
    }
    match limiter.exceeded() {
        Some(Exceeded::Memory) => return Fault::Memory,
        Some(Exceeded::Table) => return Fault::Table,
        None => {}
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Fault::HostCalls;
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return trapped(format!("it called exit with status {status}"));
    }
    let cause = error.root_cause().to_string();
    // wasmtime has no types for these two.
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        return Fault::Output;
    }
    if cause.contains("cannot allocate another handle") {
        return Fault::HostCalls;
    }
    trapped(cause)
}

fn trapped(message: String) -> Fault {
    Fault::Trap { message }
}

/// Names what ended a guest, and writes it down for those who look after the plugin.
pub(super) fn report(context: &CallContext, error: &wasmtime::Error, limiter: &Limiter) -> Fault {
    let fault = classify(error, limiter);
    match &fault {
        // The plugin has nothing to do with it.
        Fault::Ended(_) | Fault::Busy => {}
        fault => tracing::warn!(
            target: "sandbox",
            plugin = %context.plugin.name,
            request = %context.request.id,
            %fault,
            backtrace = %backtrace(error),
            "a call broke",
        ),
    }
    fault
}

/// The fault of a call whose deadline passed while it waited for the host, written down likewise.
pub(super) fn report_waiting(context: &CallContext) -> Fault {
    tracing::warn!(
        target: "sandbox",
        plugin = %context.plugin.name,
        request = %context.request.id,
        "the deadline of a call passed in a host call",
    );
    Fault::Deadline
}

/// Where the guest was when it ended, one function a line, safe to print.
fn backtrace(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return "none".into();
    };
    let mut safe = String::new();
    for character in backtrace.to_string().chars().take(BACKTRACE_CHARACTERS) {
        if character.is_control() && character != '\n' {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}
