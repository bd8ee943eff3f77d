//! `[oidc.NAME]`: the providers that people may sign in with (OpenID Connect).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, io};

use hyper::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::reading::RawText;
use super::secret::read_secret;
use crate::manifest::{Source, is_plugin_name};

/// More would be more than anybody chooses from.
const MAX_PROVIDERS: usize = 16;
/// The longest text of a key.
const MAX_TEXT_BYTES: usize = 1_024;
/// The longest label.
const MAX_LABEL_CHARACTERS: usize = 60;
/// What tells who somebody is, beside `openid`, which is always asked for.
const SCOPES: [&str; 2] = ["email", "profile"];

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What people know it as.
    pub label: String,
    /// Its issuer identifier, under which its metadata is found.
    pub issuer: String,
    /// What the host is for it.
    pub client_id: String,
    /// How the host proves that; without it, PKCE alone protects the code.
    pub secret: Option<ClientSecret>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
}

/// Where the secret of the host at a provider is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSecret {
    /// In a file that only its owner may read.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

impl ClientSecret {
    /// The secret itself.
    pub fn read(&self) -> io::Result<String> {
        let (place, text) = match self {
            Self::File(path) => {
                let text = String::from_utf8(read_secret(path)?).map_err(io::Error::other)?;
                (path.display().to_string(), text)
            }
            Self::Variable(name) => {
                let text = env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
                (name.clone(), text)
            }
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(io::Error::other(format!("{place} is empty"))),
            secret => Ok(secret.to_owned()),
        }
    }
}

/// Whether what is sent there can't be read on the way: it is encrypted, or does not leave the machine.
pub fn is_guarded(uri: &Uri) -> bool {
    match uri.scheme_str() {
        Some("https") => uri.host().is_some(),
        Some("http") => uri
            .host()
            .is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")),
        _ => false,
    }
}

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    label: RawText,
    issuer: RawText,
    client_id: RawText,
    client_secret_file: RawText,
    client_secret_env: RawText,
    scopes: Option<Vec<Spanned<String>>>,
}

pub(super) fn read(
    raw: BTreeMap<Spanned<String>, Raw>,
    public_url: Option<&str>,
    source: &mut Source<'_>,
) -> BTreeMap<String, Provider> {
    let mut providers = BTreeMap::new();
    for (number, (name, raw)) in raw.into_iter().enumerate() {
        if !is_plugin_name(name.get_ref()) {
            let help = "a name has lower-case letters, digits and `-`: it is a part of `/auth/oidc/NAME`".to_owned();
            let message = format!("`{}` is no name of a provider", name.get_ref());
            source.complain(name.span(), message, Some(help));
        }
        if number == MAX_PROVIDERS {
            let message = format!("there are more than {MAX_PROVIDERS} providers");
            source.complain(name.span(), message, Some("remove those that nobody uses".to_owned()));
        }
        reachable(&name, public_url, source);
        let provider = Provider {
            label: label(raw.label, name.get_ref(), source),
            issuer: issuer(raw.issuer, &name, source),
            client_id: client_id(raw.client_id, &name, source),
            secret: secret(raw.client_secret_file, raw.client_secret_env, source),
            scopes: scopes(raw.scopes, source),
        };
        providers.insert(name.into_inner(), provider);
    }
    providers
}

/// A provider sends people back to where they came from, and a browser keeps a cookie for this only where it is guarded.
fn reachable(name: &Spanned<String>, public_url: Option<&str>, source: &mut Source<'_>) {
    let uri = public_url.and_then(|url| url.parse::<Uri>().ok());
    if uri.is_none_or(|uri| !is_guarded(&uri)) {
        let message = match public_url {
            None => "a provider sends people back to `public_url`, which is not given",
            Some(_) => "signing in with a provider needs a `public_url` with https",
        };
        let help = "write `public_url = \"https://shop.example.org\"` under [server]; on this machine itself \
                    `http://localhost:8080` will do";
        source.complain(name.span(), message, Some(help.to_owned()));
    }
}

fn label(given: RawText, name: &str, source: &mut Source<'_>) -> String {
    let Some(given) = given else { return name.to_owned() };
    let length = given.get_ref().chars().count();
    if length == 0 || length > MAX_LABEL_CHARACTERS || given.get_ref().chars().any(char::is_control) {
        let help = format!("write 1 to {MAX_LABEL_CHARACTERS} characters, for instance `\"Example\"`");
        source.complain(given.span(), "this is no label", Some(help));
    }
    given.into_inner()
}

fn issuer(given: RawText, name: &Spanned<String>, source: &mut Source<'_>) -> String {
    let help = "write the issuer as the provider names it, for instance `issuer = \"https://accounts.example.org\"`";
    let Some(given) = given else {
        source.complain(name.span(), "the provider has no `issuer`", Some(help.to_owned()));
        return String::new();
    };
    let text = given.get_ref();
    let uri = text.parse::<Uri>().ok().filter(|_| text.len() <= MAX_TEXT_BYTES);
    let is_plain = !text.contains(['?', '#', '@']);
    if !is_plain || uri.is_none_or(|uri| !is_guarded(&uri)) {
        let message = format!("`{text}` is no issuer: it is a URL with https, without `?`, `#` and `@`");
        source.complain(given.span(), message, Some(help.to_owned()));
    }
    given.into_inner()
}

fn client_id(given: RawText, name: &Spanned<String>, source: &mut Source<'_>) -> String {
    let help = "write `client_id = \"...\"`, which the provider gave you when you registered there";
    let Some(given) = given else {
        source.complain(name.span(), "the provider has no `client_id`", Some(help.to_owned()));
        return String::new();
    };
    if !is_word(given.get_ref()) {
        source.complain(given.span(), "this is no client id", Some(help.to_owned()));
    }
    given.into_inner()
}

fn secret(file: RawText, variable: RawText, source: &mut Source<'_>) -> Option<ClientSecret> {
    if let (Some(_), Some(variable)) = (&file, &variable) {
        let help = "keep either `client_secret_file` or `client_secret_env`".to_owned();
        source.complain(variable.span(), "the secret is in two places", Some(help));
    }
    if let Some(file) = file {
        return Some(ClientSecret::File(PathBuf::from(file.into_inner())));
    }
    let variable = variable?;
    let name = variable.get_ref();
    if name.is_empty() || name.contains(['=', '\0']) {
        let help = "write its name, for instance `\"EXAMPLE_CLIENT_SECRET\"`".to_owned();
        source.complain(variable.span(), "this names no environment variable", Some(help));
    }
    Some(ClientSecret::Variable(variable.into_inner()))
}

fn scopes(given: Option<Vec<Spanned<String>>>, source: &mut Source<'_>) -> Vec<String> {
    let Some(given) = given else {
        return SCOPES.map(str::to_owned).into();
    };
    let mut scopes = Vec::new();
    for scope in given {
        if !is_word(scope.get_ref()) || scope.get_ref().contains(['"', '\\']) || scopes.len() == MAX_PROVIDERS {
            let help = "write a few names without spaces, for instance `[\"openid\", \"email\"]`".to_owned();
            source.complain(scope.span(), "this is no scope", Some(help));
        }
        // Always asked for.
        if scope.get_ref() != "openid" {
            scopes.push(scope.into_inner());
        }
    }
    scopes
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_TEXT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_reached_without_encryption() {
        let guarded = |text: &str| is_guarded(&text.parse().unwrap());
        for yes in [
            "https://a.example",
            "http://localhost:1",
            "http://127.0.0.1/x",
            "http://[::1]:80/",
        ] {
            assert!(guarded(yes), "{yes}");
        }
        for no in [
            "http://a.example",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "ftp://localhost",
            "/path",
        ] {
            assert!(!guarded(no), "{no}");
        }
    }
}
