//! Which imports a plugin gets, and the strict check that it asks for no others.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use super::bindings::portcullis::plugin::{documents, request};
use super::bindings::wasi::{config, keyvalue, logging};
use super::install::InstallError;
use super::store::CallState;
use super::{Sandbox, wasi};

/// The package of the plugin contract, and the version that this host speaks.
const CONTRACT: &str = "portcullis:plugin/";
const CONTRACT_VERSION: &str = "0.1.0";

/// Every interface that the linker has: package and name, and the version as far as it must be equal.
const INTERFACES: &[(&str, &str)] = &[
    ("portcullis:plugin/types", "0.1"),
    ("portcullis:plugin/request", "0.1"),
    ("portcullis:plugin/documents", "0.1"),
    ("wasi:config/store", "0.2.0-rc.1"),
    ("wasi:keyvalue/store", "0.2.0-draft2"),
    ("wasi:keyvalue/atomics", "0.2.0-draft2"),
    ("wasi:keyvalue/batch", "0.2.0-draft2"),
    ("wasi:logging/logging", "0.1.0-draft"),
    ("wasi:cli/environment", "0.2"),
    ("wasi:cli/exit", "0.2"),
    ("wasi:cli/stdin", "0.2"),
    ("wasi:cli/stdout", "0.2"),
    ("wasi:cli/stderr", "0.2"),
    ("wasi:cli/terminal-input", "0.2"),
    ("wasi:cli/terminal-output", "0.2"),
    ("wasi:cli/terminal-stdin", "0.2"),
    ("wasi:cli/terminal-stdout", "0.2"),
    ("wasi:cli/terminal-stderr", "0.2"),
    ("wasi:clocks/monotonic-clock", "0.2"),
    ("wasi:clocks/wall-clock", "0.2"),
    ("wasi:filesystem/preopens", "0.2"),
    ("wasi:filesystem/types", "0.2"),
    ("wasi:io/error", "0.2"),
    ("wasi:io/poll", "0.2"),
    ("wasi:io/streams", "0.2"),
    ("wasi:random/insecure", "0.2"),
    ("wasi:random/insecure-seed", "0.2"),
    ("wasi:random/random", "0.2"),
    ("wasi:sockets/instance-network", "0.2"),
    ("wasi:sockets/ip-name-lookup", "0.2"),
    ("wasi:sockets/network", "0.2"),
    ("wasi:sockets/tcp", "0.2"),
    ("wasi:sockets/tcp-create-socket", "0.2"),
    ("wasi:sockets/udp", "0.2"),
    ("wasi:sockets/udp-create-socket", "0.2"),
];

/// The linker of CRUD and hooks calls.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    request::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    documents::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    config::store::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    keyvalue::store::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    keyvalue::atomics::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    keyvalue::batch::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    logging::logging::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// A component with its imports resolved.
pub(super) struct Linked {
    pub(super) instance: InstancePre<CallState>,
    pub(super) imports: Vec<String>,
}

/// Resolves the imports of a component, or names all that can't be.
pub(super) fn link(sandbox: &Sandbox, component: &Component) -> Result<Linked, InstallError> {
    let ty = component.component_type();
    let imports: Vec<String> = ty.imports(&sandbox.engine).map(|(name, _)| name.to_owned()).collect();
    let exports = ty.exports(&sandbox.engine).map(|(name, _)| name.to_owned());
    for name in imports.iter().cloned().chain(exports) {
        check_version(name)?;
    }
    let missing: Vec<String> = imports.iter().filter(|name| !is_known(name)).cloned().collect();
    if !missing.is_empty() {
        return Err(InstallError::MissingImports(missing));
    }
    let instance = sandbox
        .linker
        .instantiate_pre(component)
        .map_err(|error| InstallError::Mismatch(format!("{error:#}")))?;
    Ok(Linked { instance, imports })
}

/// Refuses an interface of the plugin contract in another version.
fn check_version(name: String) -> Result<(), InstallError> {
    if !name.starts_with(CONTRACT)
        || name
            .split_once('@')
            .is_some_and(|(_, version)| is_spoken("0.1", version))
    {
        return Ok(());
    }
    Err(InstallError::WrongVersion {
        found: name,
        spoken: format!("{}@{CONTRACT_VERSION}", CONTRACT.trim_end_matches('/')),
    })
}

fn is_known(name: &str) -> bool {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    INTERFACES
        .iter()
        .any(|(known, spoken)| *known == interface && is_spoken(spoken, version))
}

/// Whether `version` is `spoken` or, where that is `MAJOR.MINOR`, a release of it.
fn is_spoken(spoken: &str, version: &str) -> bool {
    version == spoken
        || version
            .strip_prefix(spoken)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}
