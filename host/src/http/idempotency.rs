//! `Idempotency-Key`: what makes two requests the same one.

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::policy::Caller;

/// The longest key that is taken.
const MAX_KEY_BYTES: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A key that is empty, too long, repeated, or not printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The client's key, for the methods that need one: POST and PATCH. Others repeat safely by themselves.
pub(super) fn key<'h>(method: &Method, headers: &'h HeaderMap) -> Result<Option<&'h str>, Malformed> {
    if !matches!(*method, Method::POST | Method::PATCH) {
        return Ok(None);
    }
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.to_str().map_err(|_| Malformed)?;
    // The draft standard makes it a quoted string; most clients send it bare.
    let key = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let plain = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if lines.next().is_some() || !plain || key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(Malformed);
    }
    Ok(Some(key))
}

/// The digest under which the answer is kept. A key belongs to its caller, method and path, so that nobody meets the
/// answer to another's request; callers without an account are told apart by what they send.
pub(super) fn name(caller: &Caller, method: &Method, path: &str, body: &[u8], key: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    match caller {
        Caller::Anonymous => {
            digest.update([0]);
            digest.update(fingerprint(body));
        }
        Caller::Account(account) => {
            digest.update([1]);
            digest.update(account.id.as_bytes());
        }
        Caller::Operator => digest.update([2]),
    }
    for part in [method.as_str(), path, key] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The digest by which a repeated request is known to be the same.
pub(super) fn fingerprint(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Account;
    use hyper::header::HeaderValue;
    use std::collections::HashSet;
    use uuid::Uuid;

    fn read(method: &Method, values: &[&str]) -> Result<Option<String>, Malformed> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        }
        key(method, &headers).map(|key| key.map(str::to_owned))
    }

    #[test]
    fn a_key_is_taken_bare_or_quoted() {
        assert_eq!(read(&Method::POST, &["order-1"]), Ok(Some("order-1".into())));
        assert_eq!(read(&Method::PATCH, &["\"order-1\""]), Ok(Some("order-1".into())));
        assert_eq!(read(&Method::POST, &[]), Ok(None));
    }

    #[test]
    fn other_methods_need_no_key() {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            assert_eq!(read(&method, &["order-1"]), Ok(None));
        }
    }

    #[test]
    fn a_malformed_key_is_refused() {
        for bad in ["", "\"\"", "a b", "a\"b", "\"a", &"x".repeat(256)] {
            assert_eq!(read(&Method::POST, &[bad]), Err(Malformed), "{bad}");
        }
        assert_eq!(read(&Method::POST, &["a", "b"]), Err(Malformed));
    }

    #[test]
    fn every_part_of_the_request_tells_keys_apart() {
        let account = |id| {
            Caller::Account(Account {
                id: Uuid::from_u128(id),
                roles: [].into(),
                limits: None,
            })
        };
        let (post, patch) = (Method::POST, Method::PATCH);
        let names = [
            name(&Caller::Operator, &post, "/api/a", b"1", "k"),
            name(&Caller::Operator, &patch, "/api/a", b"1", "k"),
            name(&Caller::Operator, &post, "/api/b", b"1", "k"),
            name(&Caller::Operator, &post, "/api/a", b"1", "l"),
            name(&Caller::Operator, &post, "/api/ak", b"1", ""),
            name(&account(1), &post, "/api/a", b"1", "k"),
            name(&account(2), &post, "/api/a", b"1", "k"),
            name(&Caller::Anonymous, &post, "/api/a", b"1", "k"),
            name(&Caller::Anonymous, &post, "/api/a", b"2", "k"),
        ];
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn the_body_is_no_part_of_a_known_callers_key() {
        let of = |body: &[u8]| name(&Caller::Operator, &Method::POST, "/api/a", body, "k");
        assert_eq!(of(b"1"), of(b"2"));
    }
}
