//! `[request]`: what plugins learn about a request.

use std::collections::BTreeSet;

use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION};
use serde::Deserialize;
use toml::Spanned;

use crate::manifest::Source;

/// How many headers plugins may see.
const MAX_HEADERS: usize = 64;
/// What proves who a client is stays with the host.
const CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];

/// What plugins learn about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The headers that plugins may read, in lower case.
    pub headers: BTreeSet<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            headers: ["accept-language", "user-agent"].map(str::to_owned).into(),
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    headers: Option<Vec<Spanned<String>>>,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Request {
    let Some(given) = raw.headers else {
        return Request::default();
    };
    if let Some(first_too_many) = given.get(MAX_HEADERS) {
        let help = format!("name at most {MAX_HEADERS}");
        source.complain(first_too_many.span(), "too many headers", Some(help));
    }
    let mut headers = BTreeSet::new();
    for text in given {
        match HeaderName::try_from(text.get_ref()) {
            Ok(name) if CREDENTIALS.contains(&name) => {
                let help = "remove it; plugins ask who the caller is".to_owned();
                source.complain(
                    text.span(),
                    format!("`{name}` holds credentials, which plugins never see"),
                    Some(help),
                );
            }
            Ok(name) => {
                if !headers.insert(name.as_str().to_owned()) {
                    source.complain(
                        text.span(),
                        format!("`{name}` is here twice"),
                        Some("remove one".to_owned()),
                    );
                }
            }
            Err(_) => {
                let help = Some("write for instance `\"user-agent\"`".to_owned());
                source.complain(
                    text.span(),
                    format!("`{}` is not a header's name", text.get_ref()),
                    help,
                );
            }
        }
    }
    Request { headers }
}
