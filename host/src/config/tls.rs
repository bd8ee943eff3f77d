//! `[server.tls]`: the certificate of the listeners.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::reading::RawText;
use crate::manifest::Source;

/// Where the certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and what leads from it to one that clients know, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    certificate: RawText,
    key: RawText,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Option<Tls> {
    let (given, missing) = match (raw.certificate, raw.key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            let [certificate, key] = [certificate, key].map(|path| file(path, source));
            return Some(Tls { certificate, key });
        }
        (Some(given), None) => (given, "key"),
        (None, Some(given)) => (given, "certificate"),
    };
    let help = format!("add `{missing} = \"{missing}.pem\"`: a certificate and its key belong together");
    source.complain(given.span(), format!("`{missing}` is missing beside this"), Some(help));
    None
}

fn file(path: Spanned<String>, source: &mut Source<'_>) -> PathBuf {
    if path.get_ref().is_empty() {
        let help = "write the path of a PEM file; a relative one starts at this file's folder".to_owned();
        source.complain(path.span(), "an empty path names no file", Some(help));
    }
    PathBuf::from(path.into_inner())
}
