//! What the sandbox is built from.

use std::path::PathBuf;

use crate::config;
use crate::manifest::Limits;

/// What the sandbox is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct SandboxSettings {
    /// Where compiled code is kept, with the key that authenticates it; created where missing.
    pub code_directory: PathBuf,
    /// Where compiling happens.
    pub compiler: Compiler,
    /// How many instances there are, and what compiling may cost.
    pub section: config::Sandbox,
    /// The most that a manifest may ask for: no instance gets more memory or larger tables.
    pub most: Limits,
}

impl SandboxSettings {
    /// The defaults, with the compiled code in `code_directory`.
    pub fn new(code_directory: PathBuf) -> Self {
        Self {
            code_directory,
            compiler: Compiler::CurrentProgram,
            section: config::Sandbox::default(),
            most: Limits::default(),
        }
    }

    /// The most bytes of memory of one instance.
    pub(super) fn memory_bytes(&self) -> usize {
        self.most.memory_mib as usize * 1_024 * 1_024
    }

    /// The most elements of one table.
    pub(super) fn table_elements(&self) -> usize {
        self.most.table_elements as usize
    }
}

/// Where compiling happens. A hostile component can make a compiler use any amount of memory and time, and that is no
/// vulnerability of the compiler: hence a process of its own, with limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// In a new process of the running program, started with the argument `compile`.
    CurrentProgram,
    /// In a new process of this program, started with the argument `compile`.
    Program(PathBuf),
    /// Here, without limits: for tests and benchmarks of trusted components, whose program has no such command.
    ThisProcess,
}
