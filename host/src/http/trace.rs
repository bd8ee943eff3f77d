//! The names that a request goes by: `X-Request-Id`, and `traceparent` (W3C Trace Context).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that is taken over from a client.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The request's id: the client's where it is plain enough for logs and headers, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(id) if is_plain(id.as_bytes()) => id.clone(),
        _ => new_request_id(),
    }
}

fn is_plain(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.iter().all(plain)
}

/// A prefix that no other process has, and a number that counts up.
fn new_request_id() -> HeaderValue {
    static PREFIX: OnceLock<[u8; 16]> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let prefix = PREFIX.get_or_init(|| hex(random()));
    let mut id = [0; 32];
    id[..16].copy_from_slice(prefix);
    id[16..].copy_from_slice(&hex(NEXT.fetch_add(1, Ordering::Relaxed)));
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&id)).expect("hexadecimal digits are a header value")
}

/// The trace that the request belongs to, with a new span for its handling here; none where the client sent none, or a malformed one.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<HeaderValue> {
    let incoming = headers.get(TRACEPARENT)?.as_bytes();
    let mut outgoing: [u8; 55] = incoming.get(..55)?.try_into().ok()?;
    let version = &outgoing[..2];
    // A later version may be longer, and is continued as version 00.
    let fits = incoming.len() == 55 || (version != b"00" && incoming[55] == b'-');
    let dashes = [2, 35, 52].iter().all(|&at| outgoing[at] == b'-');
    let fields = [&outgoing[..2], &outgoing[3..35], &outgoing[36..52], &outgoing[53..55]];
    let digits = fields
        .iter()
        .all(|field| field.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    let named = fields[1..3].iter().all(|field| field.iter().any(|byte| *byte != b'0'));
    if !(fits && dashes && digits && named && version != b"ff") {
        return None;
    }
    outgoing[..2].copy_from_slice(b"00");
    outgoing[36..52].copy_from_slice(&hex(random() | 1));
    HeaderValue::from_bytes(&outgoing).ok()
}

fn random() -> u64 {
    // Ids only have to differ; a system without randomness has far worse problems, and reports them elsewhere.
    getrandom::u64().unwrap_or_default()
}

fn hex(number: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| DIGITS[(number >> (60 - 4 * at) & 0xf) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn generated_ids_differ_and_are_plain() {
        let ids: HashSet<_> = (0..1000).map(|_| request_id(&HeaderMap::new())).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| is_plain(id.as_bytes())));
    }

    #[test]
    fn a_clients_id_is_kept_only_when_it_is_plain() {
        assert_eq!(request_id(&with(X_REQUEST_ID, "order-17.a_b")), "order-17.a_b");
        for bad in ["", "a b", "a\"b", "<script>", &"x".repeat(129)] {
            assert_ne!(request_id(&with(X_REQUEST_ID, bad)), bad);
        }
    }

    #[test]
    fn a_trace_goes_on_with_a_new_span() {
        let incoming = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let outgoing = traceparent(&with(TRACEPARENT, incoming)).unwrap();
        let outgoing = outgoing.to_str().unwrap();
        assert_eq!(outgoing[..36], incoming[..36]);
        assert_ne!(outgoing[36..52], incoming[36..52]);
        assert_eq!(outgoing[52..], incoming[52..]);
    }

    #[test]
    fn a_malformed_trace_is_not_continued() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(traceparent(&with(TRACEPARENT, bad)), None, "{bad}");
        }
    }
}
