//! What is known about a request before anybody looks at its body.

use std::net::IpAddr;

use hyper::header::HeaderValue;
use hyper::http::request::Parts;

use super::media::Format;
use super::throttle::Standings;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Request {
    /// Method, URI and headers.
    pub(super) head: Parts,
    /// Where it comes from; behind a proxy that is trusted, the address that the proxy tells.
    pub(super) peer: IpAddr,
    /// The name that logs and answers use.
    pub(super) id: HeaderValue,
    /// What the answer is written in.
    pub(super) format: Format,
    /// How the one who makes it stands with what limits it.
    pub(super) standings: Standings,
}
