//! Programs that the tests need. Where one is missing the test fails and says what installs it: a test that is left out tells
//! nothing.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// This workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where things are kept that are not a part of the repository.
pub(crate) fn target() -> PathBuf {
    workspace().join("../../target/peers")
}

/// A program that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Starts a program; `remedy` installs what it needs. Returns what it prints, line by line.
    pub(crate) fn start(command: &mut Command, remedy: &str) -> (Self, Lines<BufReader<ChildStdout>>) {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => panic!("{command:?} does not start ({error}): run `{remedy}`"),
        };
        let stdout = child.stdout.take().expect("stdout is piped");
        (Self(child), BufReader::new(stdout).lines())
    }

    /// The first line that `found` finds something in.
    #[track_caller]
    pub(crate) fn first<T>(
        lines: &mut Lines<BufReader<ChildStdout>>,
        remedy: &str,
        found: impl Fn(&str) -> Option<T>,
    ) -> T {
        for line in lines.map_while(Result::ok) {
            if let Some(found) = found(&line) {
                return found;
            }
        }
        panic!("it ended before it was ready; what it said is above. Is everything installed? `{remedy}`");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
