//! Conditional requests (RFC 9110, section 13): entity tags are made from revisions.
//!
//! A strong tag names one sequence of bytes, so the tag of revision 7 is `"7"` as plain JSON, `"7-xml"` as XML and
//! `"7-gzip"` when compressed; in a condition they all mean revision 7.

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::media::{Coding, Format};
use crate::dispatch::Precondition;

/// The most tags that one condition may list.
const MAX_TAGS: usize = 64;

/// A condition header that is not a list of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// `If-Match`, which compares strongly: a weak tag matches nothing.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Precondition>, Malformed> {
    condition(headers, &IF_MATCH, "If-Match", false)
}

/// `If-None-Match`, which compares weakly.
pub(super) fn if_none_match(headers: &HeaderMap) -> Result<Option<Precondition>, Malformed> {
    condition(headers, &IF_NONE_MATCH, "If-None-Match", true)
}

fn condition(
    headers: &HeaderMap,
    name: &HeaderName,
    shown: &'static str,
    weak: bool,
) -> Result<Option<Precondition>, Malformed> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let mut revisions = Vec::new();
    let mut tags = 0;
    for line in lines {
        let mut rest = line.to_str().map_err(|_| Malformed(shown))?.trim();
        if rest == "*" && headers.get_all(name).iter().count() == 1 {
            return Ok(Some(Precondition::Exists));
        }
        while !rest.is_empty() {
            let (tag, is_weak, after) = take_tag(rest).ok_or(Malformed(shown))?;
            tags += 1;
            if tags > MAX_TAGS {
                return Err(Malformed(shown));
            }
            if weak || !is_weak {
                revisions.extend(revision(tag));
            }
            rest = after;
        }
    }
    Ok(Some(Precondition::Revision(revisions)))
}

/// Splits `"7", W/"8"` into `7`, whether it is weak, and the rest behind the comma.
fn take_tag(text: &str) -> Option<(&str, bool, &str)> {
    let (quoted, is_weak) = text.strip_prefix("W/").map_or((text, false), |quoted| (quoted, true));
    let (tag, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    let rest = rest.trim_start();
    let rest = if rest.is_empty() {
        rest
    } else {
        rest.strip_prefix(',')?.trim_start()
    };
    Some((tag, is_weak, rest))
}

/// The revision that a tag names, if it is one that `entity_tag` makes.
pub(super) fn revision(tag: &str) -> Option<u64> {
    let digits = tag.split_once('-').map_or(tag, |(digits, _)| digits);
    let canonical = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    canonical.then(|| digits.parse().ok()).flatten()
}

/// The strong entity tag of a revision in one representation.
pub(super) fn entity_tag(revision: u64, format: Format, coding: Option<Coding>) -> HeaderValue {
    let mut tag = Vec::with_capacity(32);
    tag.push(b'"');
    tag.extend_from_slice(itoa::Buffer::new().format(revision).as_bytes());
    if format == Format::Xml {
        tag.extend_from_slice(b"-xml");
    }
    tag.extend_from_slice(match coding {
        None => b"",
        Some(Coding::Gzip) => b"-gzip",
        Some(Coding::Brotli) => b"-br",
        Some(Coding::Zstd) => b"-zstd",
    });
    tag.push(b'"');
    HeaderValue::from_maybe_shared(Bytes::from(tag)).expect("digits, letters and dashes are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(values: &[&str]) -> Result<Option<Precondition>, Malformed> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        if_match(&headers)
    }

    #[test]
    fn tags_are_read_from_lists_and_repeated_headers() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&["*"]), Ok(Some(Precondition::Exists)));
        assert_eq!(parse(&["\"7\""]), Ok(Some(Precondition::Revision(vec![7]))));
        assert_eq!(
            parse(&["\"7\" , \"8-xml\"", "\"9-xml-br\""]),
            Ok(Some(Precondition::Revision(vec![7, 8, 9])))
        );
    }

    #[test]
    fn a_strong_comparison_ignores_weak_and_foreign_tags() {
        assert_eq!(
            parse(&["W/\"7\", \"abc\", \"07\", \"\""]),
            Ok(Some(Precondition::Revision(vec![])))
        );
        let weak = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("W/\"7\""))]);
        assert_eq!(if_none_match(&weak), Ok(Some(Precondition::Revision(vec![7]))));
    }

    #[test]
    fn what_is_no_tag_is_malformed() {
        for bad in ["7", "\"7", "7\"", "\"7\" \"8\"", "*, \"7\"", "w/\"7\""] {
            assert_eq!(parse(&[bad]), Err(Malformed("If-Match")), "{bad}");
        }
    }

    #[test]
    fn a_list_is_bounded() {
        assert!(parse(&[&vec!["\"7\""; MAX_TAGS + 1].join(",")]).is_err());
    }

    proptest! {
        #[test]
        fn every_tag_that_is_given_out_is_recognised(number in 1u64.., xml: bool, coding in 0..4) {
            let coding = [None, Some(Coding::Gzip), Some(Coding::Brotli), Some(Coding::Zstd)][coding as usize];
            let format = if xml { Format::Xml } else { Format::Json };
            let headers = HeaderMap::from_iter([(IF_MATCH, entity_tag(number, format, coding))]);
            prop_assert!(if_match(&headers).unwrap().unwrap().holds(number));
        }

        #[test]
        fn no_condition_makes_it_panic(text in "[\\x20-\\x7e]{0,40}") {
            let _ = parse(&[&text]);
        }
    }
}
