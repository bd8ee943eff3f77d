//! `[server.acme]`: the certificate of the listeners, from a certificate authority that speaks ACME (RFC 8555).

use std::path::PathBuf;

use hyper::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::reading::RawText;
use crate::manifest::Source;

/// Where a certificate comes from where nothing else is said.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The most names of a certificate; Let's Encrypt takes as many.
const MAX_DOMAINS: usize = 100;
/// The longest name that DNS knows.
const MAX_DOMAIN_BYTES: usize = 253;

/// How the certificate is got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names that it is for.
    pub domains: Vec<String>,
    /// Where the authority writes when something is wrong.
    pub contact: Option<String>,
    /// The directory of the authority.
    pub directory: String,
    /// Certificates, in PEM, that are trusted beside those of the system when the authority is spoken to.
    pub trust: Option<PathBuf>,
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    domains: Option<Spanned<Vec<Spanned<String>>>>,
    contact: RawText,
    directory: RawText,
    trust: RawText,
    accept_terms: Option<Spanned<bool>>,
}

pub(super) fn read(raw: Spanned<Raw>, has_tls: bool, source: &mut Source<'_>) -> Acme {
    let section = raw.span();
    let raw = raw.into_inner();
    let place = raw.domains.as_ref().map_or(section, Spanned::span);
    let domains = raw.domains.map(Spanned::into_inner).unwrap_or_default();
    if has_tls {
        let help =
            "keep [server.tls] for a certificate of your own, or [server.acme] for one that is got for you".to_owned();
        source.complain(place.clone(), "the certificate comes from two places", Some(help));
    }
    if !raw.accept_terms.as_ref().is_some_and(|accepted| *accepted.get_ref()) {
        let help = "read the terms of the authority, then write `accept_terms = true`".to_owned();
        let at = raw.accept_terms.map_or(place.clone(), |given| given.span());
        source.complain(
            at,
            "the authority gives no certificate to one who has not accepted its terms",
            Some(help),
        );
    }
    if domains.is_empty() || domains.len() > MAX_DOMAINS {
        let help = format!("write 1 to {MAX_DOMAINS} names, for instance `domains = [\"shop.example.org\"]`");
        source.complain(place, "a certificate is for some names", Some(help));
    }
    Acme {
        domains: domains.into_iter().map(|name| domain(name, source)).collect(),
        contact: raw.contact.map(|given| contact(given, source)),
        directory: directory(raw.directory, source),
        trust: raw.trust.map(|path| PathBuf::from(path.into_inner())),
    }
}

/// A name as DNS has it. An authority that only opens connections gives no certificate for all names of a domain.
fn domain(given: Spanned<String>, source: &mut Source<'_>) -> String {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = given.get_ref();
    if name.len() > MAX_DOMAIN_BYTES || !name.split('.').all(is_label) || name.parse::<std::net::IpAddr>().is_ok() {
        let help = "write a name in lower case as DNS has it (`xn--` for other letters), without `*`".to_owned();
        source.complain(given.span(), format!("`{name}` is no name of this host"), Some(help));
    }
    given.into_inner()
}

fn contact(given: Spanned<String>, source: &mut Source<'_>) -> String {
    if !email_address::EmailAddress::is_valid(given.get_ref()) {
        let help = "write an e-mail address, for instance `\"ops@example.org\"`".to_owned();
        source.complain(given.span(), format!("`{}` is no address", given.get_ref()), Some(help));
    }
    given.into_inner()
}

fn directory(given: RawText, source: &mut Source<'_>) -> String {
    let Some(given) = given else {
        return LETS_ENCRYPT.to_owned();
    };
    let uri = given.get_ref().parse::<Uri>().ok();
    if uri.is_none_or(|uri| uri.scheme_str() != Some("https") || uri.host().is_none()) {
        let help = format!("write the URL of the authority's directory, for instance `\"{LETS_ENCRYPT}\"`");
        source.complain(
            given.span(),
            format!("`{}` is no URL with https", given.get_ref()),
            Some(help),
        );
    }
    given.into_inner()
}
