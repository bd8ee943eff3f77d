//! What the operator decides: `portcullis.toml`, one file per section. Unknown keys are errors, and every key has a default.

mod accounts;
mod acme;
mod cors;
mod data;
mod grants;
mod limits;
mod log;
mod mail;
mod oidc;
mod plugins;
mod policy;
mod rates;
mod reading;
mod request;
mod sandbox;
mod secret;
mod server;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

pub use accounts::{Accounts, Activity, Attempts, EVERYBODY, Hashing, Passwords, Registration, SecondFactor, Sessions};
pub use acme::Acme;
pub use cors::Cors;
pub use data::{Data, EngineKind};
pub use grants::Grant;
pub use log::{Log, LogFormat};
pub use mail::Mail;
pub use oidc::{ClientSecret, Provider, is_guarded};
pub use plugins::PluginConfig;
pub use policy::{Policy, PolicyFile};
pub use rates::{Rate, Rates, RouteRate};
pub use request::Request;
pub use sandbox::{MAX_COMPONENT_MIB, Sandbox};
pub use secret::{read_large_secret, read_limited, read_secret, write_secret};
use serde::Deserialize;
pub use server::Server;
pub use tls::Tls;
use toml::Spanned;

use crate::manifest::{Diagnostics, Limits, Source, SourceError, read_text};

/// The name of the file, where no other is given.
pub const FILE_NAME: &str = "portcullis.toml";
/// The largest configuration.
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// A validated `portcullis.toml`. What has effect only at the start is the same for the life of the process; the rest is read
/// anew on a reload (see [`Config::reloaded`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`: the listeners and what a request may cost before it reaches a plugin.
    pub server: Server,
    /// `[rates]`: how often a network and an account may ask.
    pub rates: Rates,
    /// `[data]`: where the store is.
    pub data: Data,
    /// `[accounts]`: passwords and sessions.
    pub accounts: Accounts,
    /// `[mail]`: how mail leaves the host.
    pub mail: Mail,
    /// `[oidc.NAME]`: the providers that people may sign in with.
    pub oidc: BTreeMap<String, Provider>,
    /// `[sandbox]`: how many instances there are, and what compiling may cost.
    pub sandbox: Sandbox,
    /// `[limits]`: the caps over what manifests ask for.
    pub limits: Limits,
    /// `[request]`: what plugins learn about a request.
    pub request: Request,
    /// `[log]`: what the host logs.
    pub log: Log,
    /// `[policy]`: the operator's policies, read with the configuration.
    pub policy: Policy,
    /// `[plugins.NAME]`: settings of plugins.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// `[grants.NAME]`: what a plugin may touch beyond its own.
    pub grants: BTreeMap<String, Grant>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            rates: Rates::default(),
            data: Data::default(),
            accounts: Accounts::default(),
            mail: Mail::default(),
            oidc: BTreeMap::new(),
            sandbox: Sandbox::default(),
            limits: limits::default_caps(),
            request: Request::default(),
            log: Log::default(),
            policy: Policy::default(),
            plugins: BTreeMap::new(),
            grants: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads a file. A relative path in it starts at the file's folder.
    pub fn load(path: &Path) -> Result<Self, SourceError> {
        let text = read_text(path, MAX_CONFIG_BYTES)?;
        let mut config = Self::parse(&path.display().to_string(), &text).map_err(SourceError::Invalid)?;
        if let Some(folder) = path.parent() {
            config.data.directory = folder.join(&config.data.directory);
            let tls = config.server.tls.as_mut();
            let tls = tls.into_iter().flat_map(|tls| [&mut tls.certificate, &mut tls.key]);
            let files = [
                &mut config.mail.password_file,
                &mut config.mail.templates,
                &mut config.accounts.second_factor.key_file,
                &mut config.accounts.passwords.blocklist,
            ];
            let trust = config.server.acme.as_mut().and_then(|acme| acme.trust.as_mut());
            for path in files.into_iter().flatten().chain(tls).chain(trust) {
                *path = folder.join(&*path);
            }
            for provider in config.oidc.values_mut() {
                if let Some(ClientSecret::File(path)) = &mut provider.secret {
                    *path = folder.join(&*path);
                }
            }
        }
        config.policy.read_files(path.parent())?;
        Ok(config)
    }

    /// Reads the text of a file that is called `file` in complaints.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        let mut source = Source::new(file, text);
        let raw: RawConfig = source.parse()?;
        let server = server::read(raw.server, &mut source);
        let config = Self {
            rates: rates::read(raw.rates, &mut source),
            oidc: oidc::read(raw.oidc, server.public_url.as_deref(), &mut source),
            server,
            data: data::read(raw.data, &mut source),
            accounts: accounts::read(raw.accounts, &mut source),
            mail: mail::read(raw.mail, &mut source),
            sandbox: sandbox::read(raw.sandbox, &mut source),
            limits: limits::read(raw.limits, &mut source),
            request: request::read(raw.request, &mut source),
            log: log::read(raw.log, &mut source),
            policy: policy::read(raw.policy, &mut source),
            plugins: plugins::read(raw.plugins, &mut source),
            grants: grants::read(raw.grants, &mut source),
        };
        source.finish(config)
    }

    /// This configuration with what `new` may change while the host runs: `[limits]`, `[request]`, `[policy]`, `[plugins]` and
    /// `[grants]`.
    /// The sections that differ and need a new start are named beside it.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> (Self, Vec<&'static str>) {
        let ignored = [
            ("[server]", self.server != new.server),
            ("[rates]", self.rates != new.rates),
            ("[data]", self.data != new.data),
            ("[accounts]", self.accounts != new.accounts),
            ("[mail]", self.mail != new.mail),
            ("[oidc]", self.oidc != new.oidc),
            ("[sandbox]", self.sandbox != new.sandbox),
            ("[log]", self.log != new.log),
        ];
        let ignored = ignored.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name);
        let config = Self {
            limits: new.limits,
            request: new.request,
            policy: new.policy,
            plugins: new.plugins,
            grants: new.grants,
            ..self.clone()
        };
        (config, ignored.collect())
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(default)]
    server: server::Raw,
    #[serde(default)]
    rates: rates::Raw,
    #[serde(default)]
    data: data::Raw,
    #[serde(default)]
    accounts: accounts::Raw,
    #[serde(default)]
    mail: mail::Raw,
    #[serde(default)]
    oidc: BTreeMap<Spanned<String>, oidc::Raw>,
    #[serde(default)]
    sandbox: sandbox::Raw,
    #[serde(default)]
    limits: crate::manifest::RawLimits,
    #[serde(default)]
    request: request::Raw,
    #[serde(default)]
    log: log::Raw,
    #[serde(default)]
    policy: policy::Raw,
    #[serde(default)]
    plugins: BTreeMap<Spanned<String>, plugins::Raw>,
    #[serde(default)]
    grants: BTreeMap<Spanned<String>, grants::Raw>,
}
