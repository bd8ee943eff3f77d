//! An OpenID provider: `oidc-provider`, which is certified, in a process of its own.

use std::process::Command;

use portcullis_tests::Client;
use serde_json::{Value, json};

use crate::tools::{Running, workspace};

pub(crate) const REMEDY: &str = "cd tests/peers && npm ci";

/// What the host is at each provider.
pub(crate) const CLIENT: &str = "portcullis";
const SECRET: &str = "a secret that both know";

/// A provider that runs until it is dropped.
#[derive(Debug)]
pub struct Provider {
    name: String,
    issuer: String,
    public_url: String,
    in_token: bool,
    running: Option<Running>,
}

impl Provider {
    /// A provider that knows the host at this address, which calls it `name`.
    #[track_caller]
    pub fn start(name: &str, public_url: &str) -> Self {
        Self::with(name, public_url, false)
    }

    /// One that puts all it knows into its token instead of having it asked for.
    #[track_caller]
    pub fn start_with_all_in_the_token(name: &str, public_url: &str) -> Self {
        Self::with(name, public_url, true)
    }

    #[track_caller]
    fn with(name: &str, public_url: &str, in_token: bool) -> Self {
        let mut provider = Self {
            name: name.to_owned(),
            issuer: String::new(),
            public_url: public_url.to_owned(),
            in_token,
            running: None,
        };
        provider.run(0);
        provider
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it again where it was, with other keys.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        let port = self.issuer.rsplit(':').next().and_then(|port| port.parse().ok());
        self.run(port.expect("an issuer has a port"));
    }

    #[track_caller]
    fn run(&mut self, port: u16) {
        let options = json!({
            "port": port,
            "redirect_uris": [format!("{}/auth/oidc/{}/callback", self.public_url, self.name)],
            "client_id": CLIENT,
            "client_secret": SECRET,
            "in_token": self.in_token,
        });
        let mut command = Command::new("node");
        command
            .arg(workspace().join("provider/provider.mjs"))
            .arg(options.to_string());
        let (running, lines) = Running::start(&mut command, REMEDY);
        self.issuer = Running::first(&lines, REMEDY, |line| line.starts_with("http").then(|| line.to_owned()));
        self.running = Some(running);
    }

    /// Its section of `portcullis.toml`; the secret is in the variable of [`Provider::variable`].
    pub fn config(&self) -> String {
        Self::section(&self.name, &self.issuer)
    }

    /// The section of whoever has this issuer.
    pub(crate) fn section(name: &str, issuer: &str) -> String {
        let variable = Self::variable().0;
        format!("[oidc.{name}]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\nclient_secret_env = \"{variable}\"\n")
    }

    /// The environment variable that holds the secret of the host.
    pub fn variable() -> (&'static str, &'static str) {
        ("PEERS_CLIENT_SECRET", SECRET)
    }

    /// Its identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whoever signs in from now on is this person: `{sub, email, email_verified, name}`, or nobody: `{deny: true}`.
    #[track_caller]
    pub fn person(&self, person: &Value) {
        Client::new(&self.issuer).post("/test/person", person).expect(204);
    }
}
