//! A product: what is normalised, and what is refused. Types, lengths and ranges are the schema's business.

use portcullis_sdk::{Result, Violations};
use serde::{Deserialize, Serialize};

/// Where a homepage may be.
const SCHEMES: [&str; 4] = ["https", "http", "ftp", "gopher"];

/// The body of a document in `products`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Product {
    sku: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maintainer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_cents: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<u64>,
}

impl Product {
    /// Brings what means the same into one form, so that filters and sorts find it.
    pub(crate) fn normalise(&mut self) {
        trim(&mut self.name);
        for text in [
            &mut self.summary,
            &mut self.homepage,
            &mut self.version,
            &mut self.maintainer,
        ]
        .into_iter()
        .flatten()
        {
            trim(text);
        }
        if let Some(category) = &mut self.category {
            *category = folded(category);
        }
        if let Some(tags) = &mut self.tags {
            for tag in tags.iter_mut() {
                *tag = folded(tag);
            }
            tags.sort_unstable();
            tags.dedup();
        }
    }

    /// Refuses what makes no sense, naming each place.
    pub(crate) fn check(&self) -> Result<()> {
        let mut violations = Violations::default();
        for (pointer, text) in [
            ("/name", Some(&self.name)),
            ("/category", self.category.as_ref()),
            ("/version", self.version.as_ref()),
            ("/maintainer", self.maintainer.as_ref()),
        ] {
            violations.require(
                text.is_none_or(|text| !text.is_empty()),
                pointer,
                "This says nothing: it is blank.",
            );
        }
        for (pointer, text) in [
            ("/name", Some(&self.name)),
            ("/summary", self.summary.as_ref()),
            ("/category", self.category.as_ref()),
            ("/version", self.version.as_ref()),
            ("/maintainer", self.maintainer.as_ref()),
        ] {
            violations.require(
                text.is_none_or(|text| is_one_line(text)),
                pointer,
                "This is one line: it has no control characters.",
            );
        }
        violations.require(
            self.tags
                .iter()
                .flatten()
                .all(|tag| !tag.is_empty() && is_one_line(tag)),
            "/tags",
            "A tag is neither blank nor has control characters.",
        );
        violations.require(
            self.homepage.as_deref().is_none_or(is_url),
            "/homepage",
            "A homepage is an absolute URL, such as https://example.org/.",
        );
        violations.finish()
    }
}

/// Cuts white space at both ends.
fn trim(text: &mut String) {
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        *text = trimmed.to_owned();
    }
}

/// Without white space at the ends, in lower case.
fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

fn is_one_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Whether this is a URL with a known scheme and a host, and nothing in it that a URL can't have.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && !host.is_empty()
        && !text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\\'))
}
