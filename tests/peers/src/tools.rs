//! Programs that the tests need. Where one is missing the test fails and says what installs it: a test that is left out tells
//! nothing.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

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
    /// Starts a program; `remedy` installs what it needs. Returns what it prints, line by line. That is read to its end, whoever
    /// listens: a program ends when nobody reads what it prints.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, remedy: &str) -> (Self, Receiver<String>) {
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
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        (Self(child), lines)
    }

    /// The first line that `found` finds something in.
    #[track_caller]
    pub(crate) fn first<T>(lines: &Receiver<String>, remedy: &str, found: impl Fn(&str) -> Option<T>) -> T {
        match lines.iter().find_map(|line| found(&line)) {
            Some(found) => found,
            None => {
                panic!("it ended before it was ready; what it said is above. Is everything installed? `{remedy}`")
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ports of an address that nobody has at this moment, each another.
pub(crate) fn free_ports<const N: usize>(address: &str) -> [u16; N] {
    // All are held until the last is found: the system may give one again that was let go of.
    let held = [(); N].map(|()| TcpListener::bind((address, 0)).expect("there is a free port"));
    held.each_ref()
        .map(|listener| listener.local_addr().expect("a listener has an address").port())
}

/// Makes a certificate for an address, `certificate.pem`, and its key, `key.pem`.
#[track_caller]
pub fn certify(folder: &Path, address: &str) {
    let settings = format!(
        "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n[name]\nCN = {address}\n\
         [more]\nsubjectAltName = IP:{address}\n"
    );
    fs::write(folder.join("settings"), settings).expect("the folder takes files");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-config", "settings", "-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output();
    match made {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("no certificate was made: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("openssl does not start ({error}): run `apt-get install -y openssl`"),
    }
}
