//! `[mail]`: how mail leaves the host, and how it looks.

use std::path::PathBuf;

use email_address::EmailAddress;
use serde::Deserialize;

use super::reading::RawText;
use crate::manifest::Source;

/// How mail leaves the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: String,
    /// The server; without one, each mail is a file in the data directory.
    pub server: Option<String>,
    /// Who the host is for the server.
    pub username: Option<String>,
    /// Where the password is.
    pub password_file: Option<PathBuf>,
    /// Templates in the place of the host's own.
    pub templates: Option<PathBuf>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            from: "portcullis@localhost".to_owned(),
            server: None,
            username: None,
            password_file: None,
            templates: None,
        }
    }
}

/// What a server's address may begin with.
const SCHEMES: [&str; 2] = ["smtps://", "smtp://"];

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    from: RawText,
    server: RawText,
    username: RawText,
    password_file: RawText,
    templates: RawText,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Mail {
    let mut mail = Mail::default();
    if let Some(given) = raw.from {
        if given.get_ref().parse::<EmailAddress>().is_err() {
            let help = "write an address, for instance `\"shop@example.org\"` or `\"The shop <shop@example.org>\"`";
            let message = format!("`{}` is no sender", given.get_ref());
            source.complain(given.span(), message, Some(help.to_owned()));
        }
        mail.from = given.into_inner();
    }
    if let Some(given) = raw.server {
        let host = SCHEMES.iter().find_map(|scheme| given.get_ref().strip_prefix(scheme));
        if host.is_none_or(|host| host.is_empty() || host.contains(['@', '/'])) {
            let help = "write `\"smtps://mail.example.org\"`, or `\"smtp://mail.example.org:587\"`, where the connection \
                        is encrypted by STARTTLS; the user and the password have keys of their own";
            let message = format!("`{}` is no mail server", given.get_ref());
            source.complain(given.span(), message, Some(help.to_owned()));
        }
        mail.server = Some(given.into_inner());
    }
    if let (Some(username), None) = (&raw.username, &raw.password_file) {
        let help = Some("add `password_file = \"...\"`, a file that only its owner may read".to_owned());
        source.complain(username.span(), "a user without a password", help);
    }
    mail.username = raw.username.map(toml::Spanned::into_inner);
    mail.password_file = raw.password_file.map(|given| PathBuf::from(given.into_inner()));
    mail.templates = raw.templates.map(|given| PathBuf::from(given.into_inner()));
    mail
}
