//! What `portcullis dev` does before it serves, with scripts in the place of rustc, rustup and cargo.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed, helpers included"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

/// A script can't be started while a process that another test has just begun still holds it open for writing.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A machine with the programs that a test puts there, and a workspace of plugins.
struct Machine {
    directory: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Machine {
    fn new() -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        for folder in ["bin", "plugins"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        let machine = Self {
            directory,
            _alone: alone,
        };
        fs::write(machine.path("plugins/Cargo.toml"), "[workspace]\n").unwrap();
        // The target's folder is where rustup would put it.
        machine.with_program("rustc", &format!("echo {}", machine.path("libdir").display()));
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn with_target(self) -> Self {
        fs::create_dir(self.path("libdir")).unwrap();
        self
    }

    fn with_program(&self, name: &str, script: &str) {
        let file = self.path("bin").join(name);
        fs::write(
            &file,
            format!(
                "#!/bin/sh\necho {name} \"$@\" >> {}\n{script}\n",
                self.path("log").display()
            ),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn dev(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("dev")
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env_remove("CARGO")
            .env_remove("RUSTC")
            .output()
            .unwrap()
    }

    /// Which programs ran, with which arguments.
    fn ran(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_missing_target_is_added_and_said_to_be() {
    let machine = Machine::new();
    machine.with_program("rustup", &format!("mkdir {}", machine.path("libdir").display()));
    machine.with_program("cargo", "exit 1");
    let said = stderr(&machine.dev());
    assert!(said.contains("adding the Rust target wasm32-wasip2"), "{said}");
    assert!(
        machine.ran().contains("rustup target add wasm32-wasip2\n"),
        "{}",
        machine.ran()
    );
}

#[test]
fn a_target_that_is_there_is_left_alone() {
    let machine = Machine::new().with_target();
    machine.with_program("rustup", "");
    machine.with_program("cargo", "exit 1");
    machine.dev();
    assert!(!machine.ran().contains("rustup"), "{}", machine.ran());
}

#[test]
fn where_rustup_fails_the_line_to_run_is_said() {
    let machine = Machine::new();
    machine.with_program("rustup", "echo no network >&2; exit 1");
    let output = machine.dev();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("no network") && said.ends_with("run: rustup target add wasm32-wasip2\n"),
        "{said}"
    );
}

#[test]
fn where_rustup_adds_the_target_elsewhere_that_is_said() {
    let machine = Machine::new();
    machine.with_program("rustup", "");
    let said = stderr(&machine.dev());
    assert!(said.contains("another toolchain"), "{said}");
}

#[test]
fn without_rust_it_says_where_to_get_it() {
    let machine = Machine::new();
    fs::remove_file(machine.path("bin/rustc")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("dev")
        .current_dir(machine.directory.path())
        .env("PATH", machine.path("bin"))
        .env_remove("RUSTC")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("https://rustup.rs"), "{}", stderr(&output));
}

#[test]
fn plugins_are_built_for_the_target_into_their_own_folder() {
    let machine = Machine::new().with_target();
    machine.with_program("cargo", "pwd; exit 1");
    let output = machine.dev();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("could not build the plugins in plugins"),
        "{}",
        stderr(&output)
    );
    let expected = "cargo build --release --target wasm32-wasip2 --target-dir target\n";
    assert!(machine.ran().ends_with(expected), "{}", machine.ran());
    assert!(output.stdout.is_empty(), "stdout is for the addresses");
}

#[test]
fn a_folder_without_a_workspace_is_not_built() {
    let machine = Machine::new().with_target();
    fs::remove_file(machine.path("plugins/Cargo.toml")).unwrap();
    let output = machine.dev();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--plugins"), "{}", stderr(&output));
}
