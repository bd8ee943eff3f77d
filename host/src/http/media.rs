//! Content negotiation: what a client wants, and what it sent.

use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `application/json`
    Json,
    /// `application/xml`, in the mapping of `fn:json-to-xml`.
    Xml,
}

/// What a request body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A document in this format.
    Document(Format),
    /// `application/merge-patch+json` (RFC 7396).
    MergePatch,
}

/// A coding of a response body, the preferred one last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coding {
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// The name in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// A quality value in thousandths.
type Quality = u16;

/// The format that the client prefers; none where it accepts neither. On a tie it is JSON.
pub(super) fn accepted(headers: &HeaderMap) -> Option<Format> {
    match headers.get(ACCEPT).map(HeaderValue::as_bytes) {
        None | Some(b"*/*" | b"application/json" | b"") if !is_repeated(headers, &ACCEPT) => return Some(Format::Json),
        _ => {}
    }
    let json = quality_of(headers, ["application/json", "application/problem+json"]);
    let xml = quality_of(headers, ["application/xml", "application/problem+xml"]);
    match (json, xml) {
        (0, 0) => None,
        (json, xml) if xml > json => Some(Format::Xml),
        _ => Some(Format::Json),
    }
}

fn is_repeated(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

/// The quality of a format by its names: the most specific range that covers it decides.
fn quality_of(headers: &HeaderMap, names: [&str; 2]) -> Quality {
    let mut best = (0, 0);
    for (range, quality) in weighted(headers, &ACCEPT) {
        let specificity = if names.iter().any(|name| range.eq_ignore_ascii_case(name)) {
            3
        } else if range.eq_ignore_ascii_case("application/*") {
            2
        } else if range == "*/*" {
            1
        } else {
            continue;
        };
        best = best.max((specificity, quality));
    }
    best.1
}

/// The coding that the client prefers over none.
pub(super) fn accepted_coding(headers: &HeaderMap) -> Option<Coding> {
    let mut listed: [Option<Quality>; 3] = [None; 3];
    let (mut others, mut identity) = (0, None);
    for (name, quality) in weighted(headers, &ACCEPT_ENCODING) {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => listed[Coding::Gzip as usize] = Some(quality),
            "br" => listed[Coding::Brotli as usize] = Some(quality),
            "zstd" => listed[Coding::Zstd as usize] = Some(quality),
            "identity" => identity = Some(quality),
            "*" => others = quality,
            _ => {}
        }
    }
    Coding::ALL
        .into_iter()
        .map(|coding| (listed[coding as usize].unwrap_or(others), coding))
        .filter(|(quality, _)| *quality > 0 && *quality >= identity.unwrap_or(0))
        .max()
        .map(|(_, coding)| coding)
}

/// The elements of a list header with their quality values. One whose quality is malformed is skipped, as if it had not been sent.
fn weighted<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'h str, Quality)> {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let value = parts.next().filter(|value| !value.is_empty())?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((value, quality.map_or(Some(1000), parse_quality)?))
    })
}

/// RFC 9110, section 12.4.2: 0 to 1 with at most three decimals.
fn parse_quality(text: &str) -> Option<Quality> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths = decimals.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = thousandths.fold(0, |sum, digit| sum * 10 + Quality::from(digit - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// What the body is said to be; none where it is nothing that is understood here.
pub(super) fn content(headers: &HeaderMap) -> Option<Content> {
    if is_repeated(headers, &CONTENT_TYPE) {
        return None;
    }
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let charset_is_utf8 = parameters.split(';').map(str::trim).all(|parameter| {
        parameter.split_once('=').is_none_or(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    });
    match essence.trim().to_ascii_lowercase().as_str() {
        _ if !charset_is_utf8 => None,
        "application/json" => Some(Content::Document(Format::Json)),
        "application/xml" | "text/xml" => Some(Content::Document(Format::Xml)),
        "application/merge-patch+json" => Some(Content::MergePatch),
        _ => None,
    }
}

#[cfg(test)]
#[path = "media_tests.rs"]
mod tests;
