//! Signing in with others: the host as a relying party of OpenID Connect 1.0, with PKCE (RFC 7636), `state`, `nonce` and the
//! issuer of the answer (RFC 9207). Tokens and what they say are checked by the `openidconnect` crate.

mod binding;
mod client;
mod metadata;
mod provider;
mod refused;
mod return_to;

use std::collections::BTreeMap;

pub(super) use binding::Binding;
pub(super) use provider::{Answer, Provider};
pub(super) use refused::Refused;
pub(super) use return_to::local_path;

use crate::config;
use crate::http::client::Client;

/// The providers of the configuration.
pub struct Providers {
    by_name: BTreeMap<String, Provider>,
}

impl Providers {
    /// The providers, which send people back to `public_url`. Fails where a secret can't be read.
    pub fn new(sections: &BTreeMap<String, config::Provider>, public_url: Option<&str>) -> Result<Self, String> {
        let mut by_name = BTreeMap::new();
        if let Some(public_url) = public_url.filter(|_| !sections.is_empty()) {
            let client = Client::new()?;
            for (name, section) in sections {
                let provider = Provider::new(name, section, public_url, &client);
                let provider = provider.map_err(|error| format!("[oidc.{name}] {error}"))?;
                by_name.insert(name.clone(), provider);
            }
        }
        Ok(Self { by_name })
    }

    /// A provider by its name.
    pub(super) fn get(&self, name: &str) -> Result<&Provider, Refused> {
        self.by_name.get(name).ok_or(Refused::NoSuchProvider)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.by_name.values()
    }
}
