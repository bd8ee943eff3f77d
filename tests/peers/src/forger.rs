//! An OpenID provider that lies, where one that is certified never would: it signs whatever a test wants of it.

use std::path::Path;
use std::process::Command;

use portcullis_tests::Client;
use serde_json::{Value, json};

use crate::provider::{CLIENT, Provider, REMEDY};
use crate::tools::{Running, certify, workspace};

/// A forger that runs until it is dropped.
#[derive(Debug)]
pub struct Forger {
    issuer: String,
    _running: Running,
}

impl Forger {
    /// One whose metadata are in order.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(json!({}))
    }

    /// One that says that it is somebody else.
    #[track_caller]
    pub fn start_as(issuer: &str) -> Self {
        Self::with(json!({ "poses_as": issuer }))
    }

    /// One that speaks TLS, with a certificate that nobody vouches for: `certificate.pem` in this folder.
    #[track_caller]
    pub fn start_with_tls(folder: &Path) -> Self {
        certify(folder, "127.0.0.1");
        let [key, certificate] = ["key.pem", "certificate.pem"].map(|file| folder.join(file));
        Self::with(json!({ "tls": { "key": key, "certificate": certificate } }))
    }

    #[track_caller]
    fn with(mut options: Value) -> Self {
        options["client_id"] = CLIENT.into();
        options["client_secret"] = Provider::variable().1.into();
        let mut command = Command::new("node");
        command
            .arg(workspace().join("provider/forger.mjs"))
            .arg(options.to_string());
        let (running, lines) = Running::start(&mut command, REMEDY);
        Self {
            issuer: Running::first(&lines, REMEDY, |line| line.starts_with("http").then(|| line.to_owned())),
            _running: running,
        }
    }

    /// Its section of `portcullis.toml`, as `example`.
    pub fn config(&self) -> String {
        Provider::section("example", &self.issuer)
    }

    /// What the tokens hold from now on, besides or instead of what is right, and with which key they are signed.
    #[track_caller]
    pub fn forge(&self, wanted: &Value) {
        Client::new(&self.issuer).post("/test/token", wanted).expect(204);
    }
}
