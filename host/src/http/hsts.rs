//! Whether browsers are told to come over TLS only (HSTS, RFC 6797).

use hyper::header::HeaderValue;

use crate::config::Server;

/// What browsers are told, and when.
pub(super) struct Hsts {
    value: Option<HeaderValue>,
    /// People reach the host over TLS, whatever a single request looks like from here.
    is_public: bool,
}

impl Hsts {
    pub(super) fn new(server: &Server) -> Self {
        let seconds = server.hsts_seconds;
        let value = HeaderValue::try_from(format!("max-age={seconds}; includeSubDomains")).ok();
        Self {
            value: value.filter(|_| seconds > 0),
            is_public: server
                .public_url
                .as_ref()
                .is_some_and(|url| url.starts_with("https://")),
        }
    }

    /// The header for an answer; none for one that travels in the clear, where browsers must not believe it.
    pub(super) fn header(&self, is_secure: bool) -> Option<&HeaderValue> {
        self.value.as_ref().filter(|_| is_secure || self.is_public)
    }
}
