//! The sandbox: compiles plugins, and runs each call of one in an instance of its own. The only user of wasmtime.
//!
//! `Sandbox::load` runs once for each version of a plugin: it compiles, links and tries it out. `Guest::crud` and
//! `Guest::hooks` run once for each attempt of a call: a store, an instance, the call, and everything is gone.

mod bindings;
mod cache;
mod call;
pub mod compile;
mod convert;
mod engine;
mod exports;
mod fault;
mod guest;
mod imports;
mod install;
mod limits;
mod link;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod trap;
mod wasi;
mod watch;

pub use call::{CallLimits, CrudCall, CrudReply, Finished, HookCall, HookReply, Invocation, Seed};
pub use fault::Fault;
pub use guest::{Exports, Guest};
pub use install::InstallError;
pub use settings::{Compiler, SandboxSettings};

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::manifest::Instances;

use self::cache::CodeCache;
use self::store::CallState;

/// Compiles, links and runs plugins.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<CallState>,
    cache: CodeCache,
    settings: SandboxSettings,
}

/// Why there is no sandbox: the host can't start.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox can't start: {what}: {reason}")]
pub struct SandboxError {
    what: &'static str,
    reason: String,
}

impl SandboxError {
    fn new(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self {
            what,
            reason: reason.to_string(),
        }
    }
}

impl Sandbox {
    /// Sets up the engine and opens the code cache.
    pub fn new(settings: SandboxSettings) -> Result<Arc<Self>, SandboxError> {
        let engine = engine::running(&settings)
            .map_err(|error| SandboxError::new("the engine (is there enough address space?)", format!("{error:#}")))?;
        let linker = link::linker(&engine).map_err(|error| SandboxError::new("the linker", format!("{error:#}")))?;
        let cache = CodeCache::open(&settings.code_directory, &engine)
            .map_err(|error| SandboxError::new("the directory of compiled code", error))?;
        Ok(Arc::new(Self {
            engine,
            linker,
            cache,
            settings,
        }))
    }

    /// Makes a component ready to be called: from the code cache, or by compiling it.
    pub async fn load(self: &Arc<Self>, wasm: Bytes, instances: Instances) -> Result<Guest, InstallError> {
        install::load(Arc::clone(self), wasm, instances).await
    }
}
