//! Tests of the content negotiation.

use super::*;
use proptest::prelude::*;

fn with(name: &HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn format(values: &[&str]) -> Option<Format> {
    accepted(&with(&ACCEPT, values))
}

fn coding(value: &str) -> Option<Coding> {
    accepted_coding(&with(&ACCEPT_ENCODING, &[value]))
}

#[test]
fn json_is_the_default() {
    assert_eq!(format(&[]), Some(Format::Json));
    assert_eq!(format(&["*/*"]), Some(Format::Json));
    assert_eq!(format(&["application/xml, application/json"]), Some(Format::Json));
    assert_eq!(format(&["application/*"]), Some(Format::Json));
    assert_eq!(format(&["application/problem+json"]), Some(Format::Json));
}

#[test]
fn the_higher_quality_wins() {
    assert_eq!(format(&["application/json;q=0.5, application/xml"]), Some(Format::Xml));
    assert_eq!(
        format(&["application/json;q=0.5", "application/xml;q=0.9"]),
        Some(Format::Xml)
    );
    assert_eq!(
        format(&["text/html, Application/XML; q=0.9, */*;q=0.8"]),
        Some(Format::Xml)
    );
}

#[test]
fn the_most_specific_range_decides() {
    assert_eq!(format(&["application/json;q=0, */*"]), Some(Format::Xml));
    assert_eq!(
        format(&["application/json;q=0, application/problem+json;q=0, application/*;q=0.1"]),
        Some(Format::Xml)
    );
}

#[test]
fn what_is_not_offered_is_not_acceptable() {
    assert_eq!(format(&["text/html"]), None);
    assert_eq!(format(&["*/*;q=0"]), None);
    assert_eq!(format(&["application/json;q=2"]), None);
}

#[test]
fn a_coding_is_used_only_when_asked_for() {
    assert_eq!(accepted_coding(&HeaderMap::new()), None);
    assert_eq!(coding(""), None);
    assert_eq!(coding("identity"), None);
    assert_eq!(coding("deflate"), None);
    assert_eq!(coding("gzip"), Some(Coding::Gzip));
    assert_eq!(coding("gzip;q=0"), None);
    assert_eq!(coding("gzip, br"), Some(Coding::Brotli));
    assert_eq!(coding("gzip, br, zstd"), Some(Coding::Zstd));
    assert_eq!(coding("gzip;q=1.0, br;q=0.9"), Some(Coding::Gzip));
    assert_eq!(coding("*"), Some(Coding::Zstd));
    assert_eq!(coding("*, zstd;q=0"), Some(Coding::Brotli));
    assert_eq!(coding("identity, gzip;q=0.5"), None);
}

#[test]
fn the_type_of_a_body_is_read_with_its_charset() {
    let content = |value| super::content(&with(&CONTENT_TYPE, &[value]));
    assert_eq!(content("application/json"), Some(Content::Document(Format::Json)));
    assert_eq!(
        content("Application/JSON; charset=\"UTF-8\""),
        Some(Content::Document(Format::Json))
    );
    assert_eq!(content("application/merge-patch+json"), Some(Content::MergePatch));
    assert_eq!(content("text/xml;charset=utf-8"), Some(Content::Document(Format::Xml)));
    assert_eq!(content("application/json; charset=latin1"), None);
    assert_eq!(content("text/plain"), None);
    assert_eq!(content(""), None);
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            for name in [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE] {
                headers.insert(name, value.clone());
            }
            let _ = (accepted(&headers), accepted_coding(&headers), content(&headers));
        }
    }
}
