//! Where a request really comes from, where a proxy that is trusted says so: `Forwarded` (RFC 7239) or `X-Forwarded-For`.
//!
//! Each proxy adds what it has seen at the end of the list, so the list is read from its end, and only as far as those who
//! wrote it are trusted. What a client wrote itself stands further ahead and is never reached.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a proxy says in one element: four things are known.
const MAX_PARAMETERS: usize = 8;
/// More proxies in a row are not followed.
const MAX_HOPS: usize = 16;

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// Whether TLS protects the way from there.
    pub(super) is_secure: bool,
}

/// The proxies that are believed.
pub(super) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(super) fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.to_vec())
    }

    /// Whether this is the address of a proxy that is believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who asks, where a connection comes from `peer`.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if self.0.is_empty() || !self.trusts(peer.address) {
            return peer;
        }
        let forwarded = headers.contains_key(FORWARDED).then(|| self.forwarded(peer, headers));
        let usual = [X_FORWARDED_FOR, X_FORWARDED_PROTO]
            .iter()
            .any(|name| headers.contains_key(name));
        let usual = usual.then(|| self.x_forwarded(peer, headers));
        match (forwarded, usual) {
            (Some(client), None) | (None, Some(client)) => client,
            // A proxy writes one of them, and may let the other one through as the client wrote it: which it was can't be
            // told, so where they disagree neither is believed.
            (Some(client), Some(other)) if client.address == other.address => Peer {
                is_secure: client.is_secure && other.is_secure,
                ..client
            },
            (Some(_), Some(_)) | (None, None) => peer,
        }
    }

    fn forwarded(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        let mut client = peer;
        let mut hops = 0;
        for line in lines_from_the_end(headers, FORWARDED) {
            let Some(elements) = line.and_then(elements) else {
                return client;
            };
            for element in elements.iter().rev() {
                hops += 1;
                let Some(address) = element.address.filter(|_| hops <= MAX_HOPS) else {
                    return client;
                };
                client = Peer {
                    address,
                    is_secure: element.is_secure.unwrap_or(false),
                };
                if !self.trusts(address) {
                    return client;
                }
            }
        }
        client
    }

    fn x_forwarded(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        let mut lines = lines_from_the_end(headers, X_FORWARDED_PROTO);
        let scheme = lines.next().flatten().and_then(|line| line.rsplit(',').next());
        let mut client = Peer {
            is_secure: scheme.map_or(peer.is_secure, |scheme| scheme.trim().eq_ignore_ascii_case("https")),
            ..peer
        };
        let lines = lines_from_the_end(headers, X_FORWARDED_FOR);
        // What can't be read is a hop whose address is not known, where the walk ends.
        let hops = lines.flat_map(|line| line.unwrap_or_default().rsplit(','));
        for hop in hops.take(MAX_HOPS) {
            let Some(address) = address(hop.trim()) else { break };
            client.address = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// The lines of a header, the last one first; `None` for one that is not text.
fn lines_from_the_end(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    let lines = headers.get_all(name).iter().rev();
    lines.map(|line: &HeaderValue| line.to_str().ok())
}

/// What one proxy has seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    /// Nothing where it is hidden or can't be read.
    address: Option<IpAddr>,
    is_secure: Option<bool>,
}

/// Reads one line of `Forwarded`; nothing where its form is wrong anywhere.
fn elements(line: &str) -> Option<Vec<Element>> {
    let mut elements = vec![Element::default()];
    let mut names = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        // The same parameter twice says two things.
        if names.len() == MAX_PARAMETERS
            || !is_token(name)
            || names.iter().any(|known: &&str| known.eq_ignore_ascii_case(name))
        {
            return None;
        }
        names.push(name);
        let element = elements.last_mut()?;
        match name {
            _ if name.eq_ignore_ascii_case("for") => element.address = address(value),
            _ if name.eq_ignore_ascii_case("proto") => element.is_secure = Some(value.eq_ignore_ascii_case("https")),
            _ => {}
        }
        let after = after.trim_start_matches([' ', '\t']);
        match after.as_bytes().first() {
            None => return Some(elements),
            Some(b';') => {}
            Some(b',') => {
                elements.push(Element::default());
                names.clear();
            }
            Some(_) => return None,
        }
        rest = after.get(1..)?;
    }
}

/// The value at the front of a text, a token or in quotes, and what follows it. An address needs no escapes, so a value that
/// has one is refused.
fn value(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, after) = quoted.split_once('"')?;
        return (!value.contains('\\')).then_some((value, after));
    }
    let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
    let (value, after) = text.split_at(end);
    // A port behind a colon belongs into quotes; many don't know, and it can't be misread.
    let is_plain = !value.is_empty()
        && value
            .bytes()
            .all(|byte| is_token_byte(byte) || matches!(byte, b':' | b'[' | b']'));
    is_plain.then_some((value, after))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match plain {
        Some(plain) => plain.parse().map(IpAddr::V6).ok(),
        None => text.parse().ok(),
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    Some(address.or_else(with_port)?.to_canonical())
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
