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

/// `If-Match`, which compares strongly: a weak tag matches nothing. Whatever the representation, the revision counts.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Precondition>, Malformed> {
    condition(headers, &IF_MATCH, "If-Match", |tag| {
        let (revision, _) = read_tag(tag.text)?;
        (!tag.is_weak).then_some(revision)
    })
}

/// `If-None-Match`, which compares weakly, with tags of the format that the client asks for now.
pub(super) fn if_none_match(headers: &HeaderMap, wanted: Format) -> Result<Option<Precondition>, Malformed> {
    condition(headers, &IF_NONE_MATCH, "If-None-Match", |tag| {
        let (revision, format) = read_tag(tag.text)?;
        (format == wanted).then_some(revision)
    })
}

fn condition(
    headers: &HeaderMap,
    name: &HeaderName,
    shown: &'static str,
    matching: impl Fn(Tag<'_>) -> Option<u64>,
) -> Result<Option<Precondition>, Malformed> {
    let malformed = Malformed(shown);
    let mut lines = headers.get_all(name).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    if first == "*" && lines.next().is_none() {
        return Ok(Some(Precondition::Exists));
    }
    let mut revisions = Vec::new();
    let mut tags = 0;
    for line in headers.get_all(name) {
        // A list may have empty elements (RFC 9110, section 5.6.1.2).
        let start = |rest: &'_ str| rest.len() - rest.trim_start_matches([',', ' ', '\t']).len();
        let mut rest = line.to_str().map_err(|_| malformed)?.trim_end();
        rest = &rest[start(rest)..];
        while !rest.is_empty() {
            let (tag, after) = take_tag(rest).ok_or(malformed)?;
            tags += 1;
            if tags > MAX_TAGS {
                return Err(malformed);
            }
            revisions.extend(matching(tag));
            rest = &after[start(after)..];
        }
    }
    Ok(Some(Precondition::Revision(revisions)))
}

/// An entity tag as a client sends it.
struct Tag<'h> {
    text: &'h str,
    is_weak: bool,
}

/// Splits `W/"7", "8"` into the first tag and what is behind its comma.
fn take_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let (quoted, is_weak) = text.strip_prefix("W/").map_or((text, false), |quoted| (quoted, true));
    let (text, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    let rest = rest.trim_start();
    let rest = if rest.is_empty() {
        rest
    } else {
        rest.strip_prefix(',')?.trim_start()
    };
    Some((Tag { text, is_weak }, rest))
}

/// The revision and format that a tag names, if it is one of those that are given out here.
fn read_tag(tag: &str) -> Option<(u64, Format)> {
    let mut parts = tag.split('-');
    let digits = parts.next()?;
    let canonical = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (format, coding) = match parts.next() {
        Some("xml") => (Format::Xml, parts.next()),
        coding => (Format::Json, coding),
    };
    let known = coding.is_none_or(|name| Coding::ALL.iter().any(|coding| coding.name() == name));
    let given_out = canonical && known && parts.next().is_none();
    Some((digits.parse().ok().filter(|_| given_out)?, format))
}

/// The strong entity tag of a revision in a format.
pub(super) fn entity_tag(revision: u64, format: Format) -> HeaderValue {
    let mut tag = Vec::with_capacity(32);
    tag.push(b'"');
    tag.extend_from_slice(itoa::Buffer::new().format(revision).as_bytes());
    tag.extend_from_slice(match format {
        Format::Json => b"\"",
        Format::Xml => b"-xml\"",
    });
    header_value(tag)
}

/// The tag of the same representation when it is compressed.
pub(super) fn with_coding(tag: &HeaderValue, coding: Coding) -> HeaderValue {
    let mut tag = tag.as_bytes().to_vec();
    tag.pop();
    tag.extend_from_slice(b"-");
    tag.extend_from_slice(coding.name().as_bytes());
    tag.push(b'"');
    header_value(tag)
}

fn header_value(tag: Vec<u8>) -> HeaderValue {
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
    }

    #[test]
    fn a_weak_comparison_takes_weak_tags_of_the_wanted_format() {
        let asked = HeaderMap::from_iter([(
            IF_NONE_MATCH,
            HeaderValue::from_static("W/\"7\", \"8-xml\", \"9-gzip\""),
        )]);
        assert_eq!(
            if_none_match(&asked, Format::Json),
            Ok(Some(Precondition::Revision(vec![7, 9])))
        );
        assert_eq!(
            if_none_match(&asked, Format::Xml),
            Ok(Some(Precondition::Revision(vec![8])))
        );
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
            let format = if xml { Format::Xml } else { Format::Json };
            let plain = entity_tag(number, format);
            let tag = match coding {
                0 => plain,
                1 => with_coding(&plain, Coding::Gzip),
                2 => with_coding(&plain, Coding::Brotli),
                _ => with_coding(&plain, Coding::Zstd),
            };
            let headers = HeaderMap::from_iter([(IF_MATCH, tag.clone()), (IF_NONE_MATCH, tag)]);
            prop_assert!(if_match(&headers).unwrap().unwrap().holds(number));
            prop_assert!(if_none_match(&headers, format).unwrap().unwrap().holds(number));
        }

        #[test]
        fn no_condition_makes_it_panic(text in "[\\x20-\\x7e]{0,40}") {
            let _ = parse(&[&text]);
        }
    }
}
