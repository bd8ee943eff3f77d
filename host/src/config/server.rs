//! `[server]`: the listeners, and what a request may cost before it reaches a plugin.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use super::reading::{RawNumber, RawText, number};
use crate::manifest::Source;

/// The listeners, and what a request may cost before it reaches a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where people reach the API's listener, without a `/` at the end: links in mail begin with it. Where it is not given, it
    /// is the address of the listener.
    pub public_url: Option<String>,
    /// Where the admin API listens; keep it away from the network.
    pub admin_listen: SocketAddr,
    /// Connections at a time, on each listener.
    pub connections: u32,
    /// Until the headers of a request are there.
    pub header_timeout_ms: u32,
    /// Until the body of a request is there.
    pub body_timeout_ms: u32,
    /// How long a connection may be idle between requests, and an answer without its client taking any of it.
    pub idle_timeout_ms: u32,
    /// How long requests that are under way may take to end when the host stops.
    pub drain_timeout_ms: u32,
    /// The headers of a request, all together.
    pub header_kib: u32,
    /// How many headers a request may have.
    pub header_count: u32,
    /// The body of a request, after decoding; on the admin listener, where imports arrive, sixteen times as much.
    pub body_kib: u32,
    /// Operations in one `POST /api/batch`.
    pub batch_operations: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            connections: 10_000,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            // Load balancers in front usually wait 60 seconds.
            idle_timeout_ms: 75_000,
            drain_timeout_ms: 30_000,
            header_kib: 32,
            header_count: 100,
            body_kib: 1_024,
            batch_operations: 100,
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    listen: RawText,
    public_url: RawText,
    admin_listen: RawText,
    connections: RawNumber,
    header_timeout_ms: RawNumber,
    body_timeout_ms: RawNumber,
    idle_timeout_ms: RawNumber,
    drain_timeout_ms: RawNumber,
    header_kib: RawNumber,
    header_count: RawNumber,
    body_kib: RawNumber,
    batch_operations: RawNumber,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Server {
    let mut server = Server::default();
    address(raw.listen, &mut server.listen, source);
    public_url(raw.public_url, &mut server.public_url, source);
    address(raw.admin_listen, &mut server.admin_listen, source);
    number(raw.connections, 1..=1_000_000, &mut server.connections, source);
    number(
        raw.header_timeout_ms,
        100..=600_000,
        &mut server.header_timeout_ms,
        source,
    );
    number(raw.body_timeout_ms, 100..=600_000, &mut server.body_timeout_ms, source);
    number(raw.idle_timeout_ms, 100..=600_000, &mut server.idle_timeout_ms, source);
    number(raw.drain_timeout_ms, 0..=600_000, &mut server.drain_timeout_ms, source);
    // hyper's own buffer for headers is not smaller.
    number(raw.header_kib, 8..=1_024, &mut server.header_kib, source);
    number(raw.header_count, 8..=1_000, &mut server.header_count, source);
    number(raw.body_kib, 1..=16_384, &mut server.body_kib, source);
    number(raw.batch_operations, 1..=1_000, &mut server.batch_operations, source);
    server
}

fn public_url(given: RawText, target: &mut Option<String>, source: &mut Source<'_>) {
    let Some(given) = given else { return };
    let uri = given.get_ref().parse::<hyper::Uri>().ok();
    let is_base = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some()
            && uri.path() == "/"
            && uri.query().is_none()
    });
    if !is_base || given.get_ref().ends_with('/') {
        let help =
            "write `https://` and a host, for instance `\"https://shop.example.org\"`, without a path".to_owned();
        source.complain(
            given.span(),
            format!("`{}` is not where people reach this", given.get_ref()),
            Some(help),
        );
    }
    *target = Some(given.into_inner());
}

fn address(given: RawText, target: &mut SocketAddr, source: &mut Source<'_>) {
    let Some(given) = given else { return };
    match given.get_ref().parse() {
        Ok(address) => *target = address,
        Err(_) => {
            let help =
                "write an IP address and a port, for instance `\"127.0.0.1:8080\"` or `\"[::]:8080\"`".to_owned();
            source.complain(
                given.span(),
                format!("`{}` is not an address", given.get_ref()),
                Some(help),
            );
        }
    }
}
