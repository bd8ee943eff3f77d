//! What is checked of the head of a request before anything is looked up: its size, and what HTTP asks of it.

use hyper::header::{HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{StatusCode, Version};

use super::problem::Problem;
use crate::config::Server;

/// The longest path with its query string.
const MAX_TARGET_BYTES: usize = 8 << 10;

/// Refuses a head that is too large, or that programs on the way could read differently.
pub(super) fn check(head: &Parts, server: &Server) -> Result<(), Problem> {
    check_size(head, server)?;
    check_host(head)?;
    check_transfer_coding(head)
}

/// hyper has limits of its own, above these; it answers without a body, so these come first.
fn check_size(head: &Parts, server: &Server) -> Result<(), Problem> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        let detail = format!("path and query have at most {MAX_TARGET_BYTES} bytes");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail));
    }
    let bytes: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let (limit_bytes, limit_count) = (server.header_kib as usize * 1024, server.header_count as usize);
    if bytes > limit_bytes || head.headers.len() > limit_count {
        let detail = format!("a request has at most {limit_count} header fields, of {limit_bytes} bytes together");
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header_too_large",
            detail,
        ));
    }
    Ok(())
}

/// RFC 9112, section 3.2: HTTP/1.1 has exactly one `Host`, and it is one. HTTP/2 has `:authority` in its place, and a `Host`
/// beside it must agree (RFC 9113, section 8.3.1).
fn check_host(head: &Parts) -> Result<(), Problem> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let target = head.uri.authority().map(|target| target.as_str().as_bytes());
    let is_sound = match (first, second) {
        (Some(host), None) => {
            let same = |target: &[u8]| target.eq_ignore_ascii_case(host.as_bytes());
            let agrees = head.version != Version::HTTP_2 || target.is_none_or(same);
            is_authority(host.as_bytes()) && agrees
        }
        (None, _) => head.version != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if is_sound && target.is_none_or(is_authority) {
        Ok(())
    } else {
        let detail = "a request has one Host header, which names a host and perhaps a port";
        Err(Problem::bad_request("malformed_host", detail))
    }
}

/// Whether this is a host, perhaps with a port. A plain one, the usual case, is known at a glance.
fn is_authority(host: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let name = host.iter().take_while(|byte| plain(byte)).count();
    let is_plain = match host.get(name..) {
        Some([]) => name > 0,
        Some([b':', port @ ..]) => name > 0 && (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_plain || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
}

/// RFC 9112, section 6.1: the framing is hyper's, which looks at the last coding only; another one before it would leave the
/// body packed.
fn check_transfer_coding(head: &Parts) -> Result<(), Problem> {
    let is_known = |coding: &hyper::header::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if codings.next().is_none_or(is_known) && codings.next().is_none() {
        Ok(())
    } else {
        let detail = "the only transfer coding that is understood is `chunked`";
        Err(Problem::bad_request("unsupported_transfer_coding", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn checked(version: Version, headers: &[(&str, &str)]) -> Result<(), u16> {
        checked_for("/api/a", version, headers)
    }

    fn checked_for(target: &str, version: Version, headers: &[(&str, &str)]) -> Result<(), u16> {
        let mut request = Request::builder().uri(target).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, &Server::default()).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_request_names_its_host_once_and_well() {
        for host in ["a", "a.example:80", "[::1]:8080", "127.0.0.1"] {
            assert_eq!(checked(Version::HTTP_11, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["", "a b", "a/b", "user@a", "a:b:c", "ä"] {
            assert_eq!(checked(Version::HTTP_11, &[("host", host)]), Err(400), "{host}");
        }
        assert_eq!(checked(Version::HTTP_11, &[]), Err(400));
        assert_eq!(checked(Version::HTTP_11, &[("host", "a"), ("host", "a")]), Err(400));
        assert_eq!(checked(Version::HTTP_10, &[]), Ok(()));
        assert_eq!(checked(Version::HTTP_2, &[]), Ok(()));
        assert_eq!(checked_for("http://a/b", Version::HTTP_2, &[("host", "a")]), Ok(()));
        assert_eq!(checked_for("http://a/b", Version::HTTP_2, &[("host", "A")]), Ok(()));
        assert_eq!(checked_for("http://a/b", Version::HTTP_2, &[("host", "b")]), Err(400));
        assert_eq!(
            checked_for("http://u@a/b", Version::HTTP_11, &[("host", "a")]),
            Err(400)
        );
    }

    #[test]
    fn only_chunked_is_a_transfer_coding() {
        let coded = |codings: &[&str]| {
            let headers = codings.iter().map(|coding| ("transfer-encoding", *coding));
            checked(
                Version::HTTP_11,
                &[("host", "a")].into_iter().chain(headers).collect::<Vec<_>>(),
            )
        };
        assert_eq!(coded(&["chunked"]), Ok(()));
        assert_eq!(coded(&["Chunked"]), Ok(()));
        for codings in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["identity"],
            &["chunked, chunked"],
        ] {
            assert_eq!(coded(codings), Err(400), "{codings:?}");
        }
    }

    #[test]
    fn a_head_that_is_too_large_is_refused() {
        let many = vec![("x", "y"); 101];
        assert_eq!(checked(Version::HTTP_2, &many[..100]), Ok(()));
        assert_eq!(checked(Version::HTTP_2, &many), Err(431));
        assert_eq!(checked(Version::HTTP_2, &[("x", &"y".repeat(32 << 10))]), Err(431));
    }
}
