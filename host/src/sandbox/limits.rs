//! What an instance may hold: the answer to each growth of a memory or table, remembered for the fault that follows.

use wasmtime::ResourceLimiter;

use super::engine::{CORE_INSTANCES, MEMORIES, TABLES};

/// A limit that a guest ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// Linear memory.
    Memory,
    /// Table elements.
    Table,
}

/// Counts the memory of one instance. A guest that is refused may go on; where it traps instead, as allocators do,
/// `exceeded` tells why.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    memory_limit: usize,
    table_limit: usize,
    memory: usize,
    exceeded: Option<Exceeded>,
}

impl Limiter {
    /// Sets the limits of the next call and forgets the refusals of the last one.
    pub(super) fn begin(&mut self, memory_limit: usize, table_limit: usize) {
        self.memory_limit = memory_limit;
        self.table_limit = table_limit;
        self.exceeded = None;
    }

    /// The limit that the guest ran into last, if any.
    pub(super) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_add(desired.saturating_sub(current));
        if total > self.memory_limit {
            self.exceeded = Some(Exceeded::Memory);
            return Ok(false);
        }
        // Stays counted where the growth then fails: giving it back would need to know which growth failed.
        self.memory = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.exceeded = Some(Exceeded::Memory);
        Ok(())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.table_limit;
        if !allowed {
            self.exceeded = Some(Exceeded::Table);
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}
