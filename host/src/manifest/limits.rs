//! The limits of a call and of a plugin, and the bounds that nobody may leave. A limit's name ends with its unit.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Limits of one call and of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of an instance, all memories together.
    pub memory_mib: u32,
    /// From admission to answer, retries included.
    pub deadline_ms: u32,
    /// CPU time of the guest in one attempt.
    pub cpu_ms: u32,
    /// Calls at a time.
    pub concurrency: u32,
    /// Calls that may wait for a place.
    pub queue: u32,
    /// Documents and private keys of the plugin; index entries, which follow from documents, do not count.
    pub storage_mib: u32,
    /// Elements of one table.
    pub table_elements: u32,
    /// Lines of the log of one call.
    pub log_lines: u32,
    /// Bytes of the log of one call.
    pub log_kib: u32,
    /// Bytes of what a call returns.
    pub output_kib: u32,
    /// Calls of host functions in one attempt.
    pub host_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 32,
            deadline_ms: 500,
            cpu_ms: 250,
            concurrency: 64,
            queue: 256,
            storage_mib: 1_024,
            table_elements: 20_000,
            log_lines: 100,
            log_kib: 64,
            output_kib: 4_096,
            host_calls: 10_000,
        }
    }
}

impl Limits {
    /// The names of the limits, in the order of the fields.
    pub const NAMES: [&'static str; 11] = [
        "memory_mib",
        "deadline_ms",
        "cpu_ms",
        "concurrency",
        "queue",
        "storage_mib",
        "table_elements",
        "log_lines",
        "log_kib",
        "output_kib",
        "host_calls",
    ];

    /// The most that a manifest, or an operator, may set.
    pub fn hard_maxima() -> Self {
        let mut most = Self::default();
        for name in Self::NAMES {
            if let Some((limit, bounds)) = most.entry(name) {
                *limit = *bounds.end();
            }
        }
        most
    }

    /// These limits, none above those of `caps`.
    #[must_use]
    pub fn capped(&self, caps: &Self) -> Self {
        let (mut result, mut caps) = (self.clone(), caps.clone());
        for name in Self::NAMES {
            if let (Some((limit, _)), Some((cap, _))) = (result.entry(name), caps.entry(name)) {
                *limit = (*limit).min(*cap);
            }
        }
        result
    }

    /// A limit by its name, with its bounds.
    pub(crate) fn entry(&mut self, name: &str) -> Option<(&mut u32, RangeInclusive<u32>)> {
        Some(match name {
            "memory_mib" => (&mut self.memory_mib, 1..=1_024),
            "deadline_ms" => (&mut self.deadline_ms, 1..=60_000),
            "cpu_ms" => (&mut self.cpu_ms, 1..=60_000),
            "concurrency" => (&mut self.concurrency, 1..=4_096),
            "queue" => (&mut self.queue, 0..=65_536),
            "storage_mib" => (&mut self.storage_mib, 1..=1_048_576),
            "table_elements" => (&mut self.table_elements, 1..=1_000_000),
            "log_lines" => (&mut self.log_lines, 0..=10_000),
            "log_kib" => (&mut self.log_kib, 0..=1_024),
            "output_kib" => (&mut self.output_kib, 1..=65_536),
            "host_calls" => (&mut self.host_calls, 0..=1_000_000),
            _ => return None,
        })
    }
}
