//! From the bytes of a component to a guest, or the reason why not.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::manifest::Instances;

use super::guest::Guest;
use super::{Sandbox, compile, link};

/// Why a component can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// It is no WebAssembly component that this host can run.
    #[error("this is no WebAssembly component that Portcullis can run: {0}")]
    Malformed(String),
    /// It is a core module, which has no typed imports and exports.
    #[error("this is a core WebAssembly module, not a component: build it for the target wasm32-wasip2")]
    CoreModule,
    /// The component, or what it compiles to, is too large.
    #[error("{what} is larger than {limit_mib} MiB: make the component smaller, or raise {setting}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit_mib: u32,
        /// The setting that raises it.
        setting: &'static str,
    },
    /// Compiling it took more time or memory than allowed.
    #[error("compiling takes more {resource} than allowed: simplify the component, or raise {setting}")]
    CompileLimit {
        /// What it takes too much of.
        resource: &'static str,
        /// The setting that raises the limit.
        setting: &'static str,
    },
    /// It was built against another version of `portcullis:plugin`.
    #[error("built against {found}, but this host speaks {spoken}: rebuild it with the SDK of this version")]
    WrongVersion {
        /// What the component names.
        found: String,
        /// What the host has.
        spoken: String,
    },
    /// It imports what the host does not have.
    #[error("it imports what Portcullis does not have: {}", .0.join(", "))]
    MissingImports(Vec<String>),
    /// It exports nothing that the host calls.
    #[error("it exports neither portcullis:plugin/crud nor portcullis:plugin/hooks")]
    NoRole,
    /// An import or export has another type than the host's.
    #[error("it does not fit this host's interfaces: {0}")]
    Mismatch(String),
    /// It fails before its first call.
    #[error("it can't be instantiated: {0}")]
    Instantiation(String),
    /// The host failed, not the component: the reason is for the log.
    #[error("the host could not compile or store it: {0}")]
    Host(String),
}

/// Makes a component ready to be called.
pub(super) async fn load(sandbox: Arc<Sandbox>, wasm: Bytes, instances: Instances) -> Result<Guest, InstallError> {
    let limit_mib = sandbox.settings.section.component_mib;
    if wasm.len() > limit_mib as usize * 1_024 * 1_024 {
        return Err(InstallError::TooLarge {
            what: "the component",
            limit_mib,
            setting: "sandbox.component_mib",
        });
    }
    let digest: [u8; 32] = Sha256::digest(&wasm).into();
    let component = match cached(&sandbox, digest).await? {
        Some(component) => component,
        None => compile_and_keep(&sandbox, &wasm, digest).await?,
    };
    let linked = link::link(&sandbox, &component)?;
    Guest::try_out(sandbox, linked, digest, instances).await
}

async fn cached(sandbox: &Arc<Sandbox>, digest: [u8; 32]) -> Result<Option<Component>, InstallError> {
    let sandbox = Arc::clone(sandbox);
    blocking(move || {
        let loaded = sandbox.cache.load(&sandbox.engine, &digest);
        loaded.map_err(|error| InstallError::Instantiation(format!("{error:#}")))
    })
    .await
}

async fn compile_and_keep(sandbox: &Arc<Sandbox>, wasm: &Bytes, digest: [u8; 32]) -> Result<Component, InstallError> {
    let code = compile::compile(&sandbox.settings, wasm).await?;
    let keeper = Arc::clone(sandbox);
    blocking(move || {
        keeper
            .cache
            .store(&digest, &code)
            .map_err(|error| InstallError::Host(format!("writing compiled code: {error}")))
    })
    .await?;
    cached(sandbox, digest)
        .await?
        .ok_or_else(|| InstallError::Host("compiled code vanished as soon as it was written".into()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InstallError> + Send + 'static,
) -> Result<T, InstallError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| InstallError::Host(error.to_string()))?
}
