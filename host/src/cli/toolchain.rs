//! Building a workspace of plugins: the Rust target that they need, and cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that plugins are built for.
pub const WASM_TARGET: &str = "wasm32-wasip2";

/// Why plugins can't be built; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// A program can't be started.
    #[error("cannot run `{program}`: {reason}; install Rust from https://rustup.rs")]
    NotFound {
        /// The program.
        program: String,
        /// What the operating system says.
        reason: std::io::Error,
    },
    /// The target is missing, and could not be added.
    #[error(
        "the Rust target {WASM_TARGET} is missing and could not be added: {0}\nrun: rustup target add {WASM_TARGET}"
    )]
    NoTarget(String),
    /// The plugins do not compile; cargo has said why.
    #[error("cargo could not build the plugins in {}", .0.display())]
    Build(PathBuf),
}

/// Makes sure that Rust can build for [`WASM_TARGET`]: adds the target through rustup where it is missing, and says so through `say`.
pub fn ensure_wasm_target(say: &mut dyn FnMut(&str)) -> Result<(), ToolchainError> {
    if has_wasm_target()? {
        return Ok(());
    }
    say(&format!(
        "adding the Rust target {WASM_TARGET}: rustup target add {WASM_TARGET}"
    ));
    let added = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|error| ToolchainError::NoTarget(format!("rustup can't be run ({error})")))?;
    if !added.status.success() {
        let said = String::from_utf8_lossy(&added.stderr).trim().to_owned();
        return Err(ToolchainError::NoTarget(said));
    }
    match has_wasm_target()? {
        true => Ok(()),
        false => Err(ToolchainError::NoTarget(
            "rustup added it to another toolchain than the one in use".to_owned(),
        )),
    }
}

/// Builds every plugin of a workspace in release mode, into its own `target`; cargo's progress goes to stderr.
pub fn build_workspace(root: &Path) -> Result<(), ToolchainError> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(&program)
        .args(["build", "--release", "--target", WASM_TARGET, "--target-dir", "target"])
        // The configuration beside the workspace holds link arguments, and cargo looks for it from here.
        .current_dir(root)
        .stdin(Stdio::null())
        // stdout belongs to the results of the command that builds.
        .stdout(Stdio::null())
        .status()
        .map_err(|reason| ToolchainError::NotFound { program, reason })?;
    match status.success() {
        true => Ok(()),
        false => Err(ToolchainError::Build(root.to_owned())),
    }
}

/// Whether the standard library of the target is there: true too for a Rust that rustup does not manage.
fn has_wasm_target() -> Result<bool, ToolchainError> {
    let program = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(&program)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .stdin(Stdio::null())
        .output()
        .map_err(|reason| ToolchainError::NotFound { program, reason })?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}
