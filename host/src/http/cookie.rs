//! The session of a browser in a cookie, and what keeps other sites from using it. The cookie is sent to this host alone
//! (`__Host-`), over TLS, and no script reads it (RFC 6265bis). Browsers say with Fetch Metadata who makes a request; what
//! another site makes is refused, whatever the cookie says.

use hyper::Method;
use hyper::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN};
use hyper::http::request::Parts;

use super::problem::Problem;

/// The cookie's name.
const NAME: &str = "__Host-portcullis";
/// What all of them say.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
/// Where a browser says which site makes a request, and what for.
const SITE: &str = "sec-fetch-site";
const MODE: &str = "sec-fetch-mode";

/// The token in the cookie of a request. Where it is given twice, somebody has planted one: then there is none.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='));
    let token = found.next()?;
    found
        .next()
        .is_none()
        .then_some(token)
        .filter(|token| !token.is_empty())
}

/// Lets a request pass that has a cookie if it was made by a page of this host, or of an origin that is as good, or by
/// somebody who follows a link.
pub(super) fn guard(head: &Parts, is_ours: impl Fn(&HeaderValue) -> bool) -> Result<(), Problem> {
    let text = |name| {
        head.headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let is_safe = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let origin = head.headers.get(ORIGIN);
    let is_passed = match text(SITE) {
        Some("same-origin") => true,
        // A page of an origin that the operator lets in with its cookies.
        Some(_) if origin.is_some_and(&is_ours) => true,
        // Typed into the address bar, or a bookmark.
        Some("none") => is_safe,
        Some(_) => is_safe && text(MODE) == Some("navigate"),
        // A browser without Fetch Metadata says where a form or a script comes from.
        None => origin.map_or(is_safe, is_ours),
    };
    match is_passed {
        true => Ok(()),
        false => Err(Problem::new(
            hyper::StatusCode::FORBIDDEN,
            "cross_site",
            "a cookie is taken only from pages of this host; programs send `Authorization: Bearer`",
        )),
    }
}

/// Gives the browser a token, for so many seconds.
pub(super) fn set(token: &str, seconds: u64) -> HeaderValue {
    cookie(&format!("{NAME}={token}; {ATTRIBUTES}; Max-Age={seconds}"))
}

/// Has the browser forget its token.
pub(super) fn clear() -> HeaderValue {
    cookie(&format!("{NAME}=; {ATTRIBUTES}; Max-Age=0"))
}

fn cookie(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://shop.example.org";

    fn head(method: Method, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = hyper::Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            request
                .headers_mut()
                .append(*name, HeaderValue::from_str(value).unwrap());
        }
        request.into_parts().0
    }

    #[test]
    fn what_another_site_makes_is_refused() {
        let (get, post) = (Method::GET, Method::POST);
        let site = |site| vec![("sec-fetch-site", site)];
        let link = vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        for (method, headers, is_passed) in [
            (&post, site("same-origin"), true),
            (&get, site("same-origin"), true),
            (&post, site("same-site"), false),
            (&post, site("cross-site"), false),
            (&post, site("none"), false),
            (&post, site("something new"), false),
            (&get, site("none"), true),
            (&get, site("cross-site"), false),
            (&get, link.clone(), true),
            (&post, link, false),
            (&post, vec![("origin", OURS)], true),
            (&post, vec![("origin", "https://shop.example.org.evil.example")], false),
            (&post, vec![("origin", "null")], false),
            (&post, vec![], false),
            (&get, vec![], true),
            (&Method::DELETE, vec![], false),
            // An origin that is let in is one on another host.
            (&post, vec![("origin", OURS), ("sec-fetch-site", "same-site")], true),
            (
                &post,
                vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-site")],
                false,
            ),
        ] {
            let passed = guard(&head(method.clone(), &headers), |origin| origin == OURS);
            assert_eq!(passed.is_ok(), is_passed, "{method} {headers:?}");
        }
        assert!(guard(&head(post, &[("origin", OURS)]), |_| false).is_err());
    }

    #[test]
    fn the_token_is_found_among_other_cookies_and_never_chosen_between_two() {
        let token_of = |values: &[&str]| {
            let headers: Vec<_> = values.iter().map(|value| ("cookie", *value)).collect();
            token(&head(Method::GET, &headers).headers).map(str::to_owned)
        };
        assert_eq!(
            token_of(&["a=b; __Host-portcullis=pcs_1; c=d"]).as_deref(),
            Some("pcs_1")
        );
        assert_eq!(token_of(&["a=b", "__Host-portcullis=pcs_1"]).as_deref(), Some("pcs_1"));
        for none in [
            "a=b",
            "__Host-portcullis=",
            "portcullis=pcs_1",
            "__Host-portcullis2=pcs_1",
            "",
        ] {
            assert_eq!(token_of(&[none]), None, "{none}");
        }
        assert_eq!(token_of(&["__Host-portcullis=pcs_1; __Host-portcullis=pcs_2"]), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_alone_and_for_no_script() {
        let text = set("pcs_1", 60);
        let text = text.to_str().unwrap();
        for said in [
            "__Host-portcullis=pcs_1;",
            "Path=/",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Max-Age=60",
        ] {
            assert!(text.contains(said), "{said}");
        }
        assert!(!text.contains("Domain") && clear().to_str().unwrap().contains("Max-Age=0"));
    }
}
