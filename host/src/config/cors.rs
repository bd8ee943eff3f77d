//! `[server.cors]`: the web pages of other origins that may use the API.

use hyper::Uri;
use serde::Deserialize;
use toml::Spanned;

use super::reading::{RawNumber, number};
use crate::manifest::Source;

/// The most origins that are listed; each request with an origin is compared with them.
const MAX_ORIGINS: usize = 100;

/// The web pages of other origins that may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The origins, as browsers write them. Where there are none, no page of another origin may.
    pub origins: Vec<String>,
    /// How long a browser may keep what it was told.
    pub max_age_seconds: u32,
    /// Whether a browser may send cookies along.
    pub credentials: bool,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            max_age_seconds: 600,
            credentials: false,
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    origins: Option<Spanned<Vec<Spanned<String>>>>,
    max_age_seconds: RawNumber,
    credentials: Option<bool>,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Cors {
    let mut cors = Cors::default();
    if let Some(origins) = raw.origins {
        if origins.get_ref().len() > MAX_ORIGINS {
            let help = Some(format!("list at most {MAX_ORIGINS}"));
            source.complain(origins.span(), "too many origins", help);
        }
        for origin in origins.into_inner() {
            check(&origin, source);
            cors.origins.push(origin.into_inner());
        }
    }
    // Browsers keep it no longer than a day.
    number(raw.max_age_seconds, 0..=86_400, &mut cors.max_age_seconds, source);
    cors.credentials = raw.credentials.unwrap_or(cors.credentials);
    cors
}

/// An origin is compared as it is, so it must be written as browsers write it.
fn check(origin: &Spanned<String>, source: &mut Source<'_>) {
    let text = origin.get_ref();
    if text == "*" || text == "null" {
        let help = "name each origin, for instance `\"https://app.example.org\"`: there is no word for all of them";
        source.complain(
            origin.span(),
            format!("`{text}` is no origin that can be trusted"),
            Some(help.to_owned()),
        );
    } else if !is_origin(text) {
        let help = "write it as browsers do: `\"https://app.example.org\"` or `\"http://localhost:5173\"`, in lower case, \
                    without a path, without a `/` at the end and without the usual port";
        source.complain(
            origin.span(),
            format!("`{text}` is not an origin"),
            Some(help.to_owned()),
        );
    }
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme @ ("http" | "https")), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return false;
    };
    let port = match uri.port_u16() {
        // A browser leaves it out.
        Some(80) if scheme == "http" => return false,
        Some(443) if scheme == "https" => return false,
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    // Whatever else is in the text would make another text than these parts do.
    text == format!("{scheme}://{host}{port}") && !host.contains(|c: char| c.is_ascii_uppercase())
}
