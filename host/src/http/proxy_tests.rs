//! What clients and proxies may say about where a request comes from, and what is made of it.

use super::*;
use proptest::prelude::*;

const PROXY: &str = "10.0.0.1";
const CLIENT: &str = "203.0.113.7";

fn proxies() -> Proxies {
    Proxies::new(&["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()])
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn client_of(peer: &str, lines: &[(&'static str, &str)]) -> (String, bool) {
    let peer = Peer {
        address: peer.parse().unwrap(),
        is_secure: false,
    };
    let client = proxies().client(peer, &headers(lines));
    (client.address.to_string(), client.is_secure)
}

#[track_caller]
fn assert_client(lines: &[(&'static str, &str)], address: &str, is_secure: bool) {
    assert_eq!(client_of(PROXY, lines), (address.to_owned(), is_secure), "{lines:?}");
}

#[test]
fn a_trusted_proxy_is_believed() {
    assert_client(&[], PROXY, false);
    assert_client(&[("x-forwarded-for", CLIENT)], CLIENT, false);
    assert_client(&[("x-forwarded-for", "203.0.113.7:4711")], CLIENT, false);
    assert_client(
        &[("x-forwarded-for", CLIENT), ("x-forwarded-proto", "https")],
        CLIENT,
        true,
    );
    assert_client(
        &[("forwarded", "for=203.0.113.7;proto=https;by=10.0.0.1")],
        CLIENT,
        true,
    );
    assert_client(
        &[("forwarded", "For=\"[2001:db8:cafe::17]:4711\"")],
        "2001:db8:cafe::17",
        false,
    );
    assert_client(
        &[("forwarded", "for=\"::ffff:203.0.113.7\" ; proto=http")],
        CLIENT,
        false,
    );
    let both = [
        ("forwarded", "for=203.0.113.7;proto=https"),
        ("x-forwarded-for", CLIENT),
        ("x-forwarded-proto", "https"),
    ];
    assert_client(&both, CLIENT, true);
}

#[test]
fn nobody_else_is_believed() {
    for lines in [
        [("x-forwarded-for", PROXY), ("x-forwarded-proto", "https")],
        [("forwarded", "for=10.0.0.1;proto=https"), ("x-forwarded-for", PROXY)],
    ] {
        assert_eq!(client_of(CLIENT, &lines), (CLIENT.to_owned(), false));
    }
}

#[test]
fn what_stands_before_the_first_untrusted_hop_is_what_the_client_wrote() {
    assert_client(&[("x-forwarded-for", "8.8.8.8, 203.0.113.7")], CLIENT, false);
    assert_client(&[("x-forwarded-for", "8.8.8.8, 203.0.113.7, 10.0.0.2")], CLIENT, false);
    assert_client(
        &[
            ("x-forwarded-for", "8.8.8.8"),
            ("x-forwarded-for", "203.0.113.7,10.9.9.9"),
        ],
        CLIENT,
        false,
    );
    assert_client(&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3", false);
    assert_client(&[("x-forwarded-proto", "https, http")], PROXY, false);
    assert_client(
        &[("forwarded", "for=8.8.8.8;proto=https, for=203.0.113.7")],
        CLIENT,
        false,
    );
    assert_client(
        &[
            ("forwarded", "for=8.8.8.8;proto=https"),
            ("forwarded", "for=203.0.113.7"),
        ],
        CLIENT,
        false,
    );
}

#[test]
fn what_is_malformed_ends_at_the_last_hop_that_is_known() {
    for garbage in [
        "",
        "unknown",
        "_hidden",
        "1.2.3",
        "203.0.113.7.8",
        "a, ",
        "::1%eth0",
        "127.1",
        "[1.2.3.4]",
    ] {
        assert_client(&[("x-forwarded-for", garbage)], PROXY, false);
        assert_client(
            &[("x-forwarded-for", &format!("8.8.8.8, {garbage}, 10.0.0.2"))],
            "10.0.0.2",
            false,
        );
    }
    assert_client(&[("x-forwarded-for", "\u{fc}, 10.0.0.2")], PROXY, false);
    for garbage in [
        "",
        ",",
        "for",
        "for=",
        "for=unknown",
        "for=_hidden",
        "for=\"203.0.113.7",
        "for=203.0.113.7;for=203.0.113.8",
        "for=203.0.113.7 8",
        "for=203.0.113.7;",
        "for=203.0.113.7,",
        "proto=https",
        "for=203.0.113.7;a=1;b=2;c=3;d=4;e=5;f=6;g=7;h=8",
        "for=\"203.0.113.7\\\"\"",
        "f or=203.0.113.7",
    ] {
        assert_client(&[("forwarded", garbage)], PROXY, false);
    }
}

/// A quote that the client leaves open does not swallow what the proxy adds and make another address of it.
#[test]
fn an_open_quote_hides_nothing() {
    for added in [
        "for=203.0.113.7",
        "for=\"[2001:db8::1]\"",
        "for=203.0.113.7;proto=https",
    ] {
        for written in ["for=8.8.8.8, x=\"", "x=\"", "for=8.8.8.8;x=\"\\", "x=\"a\"\""] {
            let (address, _) = client_of(PROXY, &[("forwarded", &format!("{written}, {added}"))]);
            assert_ne!(address, "8.8.8.8", "{written} {added}");
        }
    }
}

#[test]
fn a_header_that_the_proxy_lets_through_does_not_overrule_the_one_that_it_writes() {
    assert_client(
        &[("forwarded", "for=8.8.8.8;proto=https"), ("x-forwarded-for", CLIENT)],
        PROXY,
        false,
    );
    assert_client(
        &[("forwarded", "for=203.0.113.7"), ("x-forwarded-for", "8.8.8.8")],
        PROXY,
        false,
    );
}

#[test]
fn a_list_without_end_is_not_followed() {
    let list = vec!["10.0.0.9"; 10_000].join(",");
    assert_client(&[("x-forwarded-for", &list)], "10.0.0.9", false);
    let list = vec!["for=10.0.0.9"; 10_000].join(",");
    assert_client(&[("forwarded", &list)], "10.0.0.9", false);
}

proptest! {
    /// Whatever a client writes, it is known by the address that the proxy saw, or by that of the proxy.
    #[test]
    fn no_client_chooses_its_address(written in "[ -~]{0,60}", is_usual: bool, in_one_line: bool) {
        let (name, added) = match is_usual {
            true => ("x-forwarded-for", CLIENT),
            false => ("forwarded", "for=203.0.113.7"),
        };
        let lines = match in_one_line {
            true => vec![(name, format!("{written}, {added}"))],
            false => vec![(name, written), (name, added.to_owned())],
        };
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (address, _) = client_of(PROXY, &lines);
        prop_assert!(address == CLIENT || address == PROXY, "{}", address);
    }

    #[test]
    fn nobody_who_is_not_trusted_changes_anything(written in "[ -~]{0,60}", name in "forwarded|x-forwarded-for|x-forwarded-proto") {
        let peer = Peer { address: CLIENT.parse().unwrap(), is_secure: true };
        let headers = HeaderMap::from_iter([(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::try_from(written).unwrap(),
        )]);
        prop_assert_eq!(proxies().client(peer, &headers), peer);
    }
}
