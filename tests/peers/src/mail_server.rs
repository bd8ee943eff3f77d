//! A mail server: `aiosmtpd` in a process of its own, which takes mail only over TLS and from one user.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::Value;

use crate::tools::{Running, certify, free_ports, target, workspace};

const REMEDY: &str =
    "python3 -m venv target/peers/venv && target/peers/venv/bin/pip install -r tests/peers/requirements.txt";

/// This machine, by an address for which nobody makes an exception.
const ADDRESS: &str = "127.0.0.2";
const USER: &str = "shop";
const PASSWORD: &str = "what the server wants to hear";
const PATIENCE: Duration = Duration::from_secs(120);

/// A mail server, or what is known of one that is not running.
#[derive(Debug)]
pub struct MailServer {
    folder: PathBuf,
    port: u16,
    tls: Tls,
    running: Option<(Running, Receiver<String>)>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From its beginning: `smtps://`.
    First,
    /// From the command STARTTLS on: `smtp://`.
    OnCommand,
}

/// A mail that was taken.
#[derive(Debug)]
pub struct Received {
    /// Whom it went to.
    pub to: Vec<String>,
    /// Whether it came over TLS, from the user that the server knows.
    pub is_trusted: bool,
    /// Header and body.
    pub content: String,
}

impl MailServer {
    /// A server that is not running yet; its files go into `folder`.
    pub fn prepare(folder: &Path, tls: Tls) -> Self {
        certify(folder, ADDRESS);
        let [port] = free_ports(ADDRESS);
        Self {
            folder: folder.to_owned(),
            port,
            tls,
            running: None,
        }
    }

    /// The section of `portcullis.toml`. The password is in a file of this name beside it.
    pub fn config(&self, password_file: &str) -> String {
        let scheme = match self.tls {
            Tls::First => "smtps",
            Tls::OnCommand => "smtp",
        };
        format!(
            "[mail]\nserver = \"{scheme}://{ADDRESS}:{}\"\nfrom = \"The shop <shop@example.org>\"\nusername = \"{USER}\"\n\
             password_file = \"{password_file}\"\n",
            self.port
        )
    }

    /// The password.
    pub fn password() -> &'static str {
        PASSWORD
    }

    /// What the host has to trust.
    pub fn certificate(&self) -> String {
        self.folder.join("certificate.pem").display().to_string()
    }

    /// Starts it.
    #[track_caller]
    pub fn start(&mut self) {
        let mut command = Command::new(target().join("venv/bin/python3"));
        command
            .arg(workspace().join("mail/server.py"))
            .arg(self.port.to_string())
            .args(["certificate.pem", "key.pem"].map(|file| self.folder.join(file)))
            .args([USER, PASSWORD])
            .arg(match self.tls {
                Tls::First => "tls",
                Tls::OnCommand => "starttls",
            });
        let (running, lines) = Running::start(&mut command, REMEDY);
        Running::first(&lines, REMEDY, |line| line.parse::<u16>().ok());
        self.running = Some((running, lines));
    }

    /// Whether it has taken no mail but those that `mail` has given out.
    pub fn has_no_more(&self) -> bool {
        self.running.as_ref().is_none_or(|(_, mails)| mails.try_recv().is_err())
    }

    /// The next mail.
    #[track_caller]
    pub fn mail(&self) -> Received {
        let (_, mails) = self.running.as_ref().expect("the server runs");
        received(&mails.recv_timeout(PATIENCE).expect("a mail arrives"))
    }
}

/// What the server prints of a mail.
fn received(line: &str) -> Received {
    let mail: Value = serde_json::from_str(line).expect("the server prints JSON");
    Received {
        to: mail["to"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|to| to.as_str().unwrap_or_default().to_owned())
            .collect(),
        is_trusted: mail["encrypted"] == true && mail["authenticated"] == true,
        content: mail["content"].as_str().unwrap_or_default().to_owned(),
    }
}
