//! Which web pages of other origins may use the API (CORS, as the Fetch standard has it).
//!
//! An origin is on the list, to the byte, or it is not. One that is not gets the answer that anybody gets, without the headers
//! that would let its page read it; its browser sends nothing that needs a preflight.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::body::{self, Body};
use super::router::Surface;
use crate::config;

/// What a page may send. What plugins may read is added.
const ALLOWED: &str = "accept, accept-language, authorization, content-type, idempotency-key, if-match, if-none-match, \
                       traceparent, x-request-id";
/// What a page may read of an answer beside its body.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "etag, idempotency-replayed, link, location, ratelimit, ratelimit-policy, retry-after, traceparent, www-authenticate, \
     x-request-id",
);

/// The origins whose pages may use the API.
pub(super) struct Cors {
    origins: Vec<HeaderValue>,
    max_age: HeaderValue,
    credentials: bool,
}

impl Cors {
    pub(super) fn new(config: &config::Cors) -> Self {
        let origins = config.origins.iter();
        Self {
            // Each was checked when the configuration was read.
            origins: origins
                .filter_map(|origin| HeaderValue::from_str(origin).ok())
                .collect(),
            max_age: HeaderValue::from(config.max_age_seconds),
            credentials: config.credentials,
        }
    }

    /// Whether answers differ by origin here: on the API, and not on the pages for people, which no other page has business
    /// with.
    pub(super) fn applies(&self, surface: Surface, path: &str) -> bool {
        !self.origins.is_empty() && surface == Surface::Api && !path.starts_with("/account/")
    }

    /// Whether the pages of an origin may use the API with the cookies of their visitors.
    pub(super) fn lets_cookies_in(&self, origin: &HeaderValue) -> bool {
        self.credentials && self.origins.contains(origin)
    }

    /// Whether a request only asks what a page may send, and may be told.
    pub(super) fn is_preflight(&self, head: &Parts) -> bool {
        head.method == Method::OPTIONS
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
            && self.allowed(&head.headers).is_some()
    }

    /// The answer to it, but for the headers that every answer to the origin has.
    pub(super) fn preflight<'h>(
        &self,
        allow: &'static str,
        more_headers: impl IntoIterator<Item = &'h String>,
    ) -> Response<Body> {
        let mut allowed = ALLOWED.to_owned();
        for name in more_headers {
            allowed.push_str(", ");
            allowed.push_str(name);
        }
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
        if let Ok(allowed) = HeaderValue::try_from(allowed) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        response
    }

    /// What every answer to an origin on the list says.
    pub(super) fn add_headers(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let Some(origin) = self.allowed(request) else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if self.credentials {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The origin of a request, as the list has it: nothing that a client writes comes back to it.
    fn allowed(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        let mut given = headers.get_all(ORIGIN).iter();
        let (origin, None) = (given.next()?, given.next()) else {
            return None;
        };
        self.origins.iter().find(|allowed| *allowed == origin)
    }
}
