//! `[sandbox]`: how many instances there are, and what compiling a plugin may cost.

use serde::Deserialize;

use super::reading::{RawNumber, number};
use crate::manifest::Source;

/// The largest component that can be stored: a version of a plugin is one commit, which takes 64 MiB with the manifest.
pub const MAX_COMPONENT_MIB: u32 = 56;

/// How many instances there are, and what compiling a plugin may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Instances at a time, all plugins together.
    pub instances: u32,
    /// The largest component.
    pub component_mib: u32,
    /// The largest compiled code.
    pub code_mib: u32,
    /// Address space of the process that compiles.
    pub compile_memory_mib: u32,
    /// CPU time of the process that compiles.
    pub compile_cpu_s: u32,
    /// From the start of that process to its end.
    pub compile_timeout_s: u32,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            instances: 512,
            component_mib: MAX_COMPONENT_MIB,
            code_mib: 256,
            compile_memory_mib: 4_096,
            compile_cpu_s: 120,
            compile_timeout_s: 180,
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    instances: RawNumber,
    component_mib: RawNumber,
    code_mib: RawNumber,
    compile_memory_mib: RawNumber,
    compile_cpu_s: RawNumber,
    compile_timeout_s: RawNumber,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Sandbox {
    let mut sandbox = Sandbox::default();
    number(raw.instances, 1..=16_384, &mut sandbox.instances, source);
    number(
        raw.component_mib,
        1..=MAX_COMPONENT_MIB,
        &mut sandbox.component_mib,
        source,
    );
    number(raw.code_mib, 1..=2_048, &mut sandbox.code_mib, source);
    // Less does not even start the compiler.
    number(
        raw.compile_memory_mib,
        512..=65_536,
        &mut sandbox.compile_memory_mib,
        source,
    );
    number(raw.compile_cpu_s, 1..=3_600, &mut sandbox.compile_cpu_s, source);
    number(raw.compile_timeout_s, 1..=3_600, &mut sandbox.compile_timeout_s, source);
    sandbox
}
