//! `[server]`: the listeners, and what a request may cost before it reaches a plugin.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::reading::{RawNumber, RawText, number};
use super::{Acme, Cors, Tls, acme, cors, tls};
use crate::manifest::Source;

/// The most networks of proxies; each request that comes from one is compared with them.
const MAX_PROXIES: usize = 100;

/// The listeners, and what a request may cost before it reaches a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where people reach the API's listener, without a `/` at the end: links in mail begin with it, and
    /// passkeys are bound to it. Where it is not given, it is the address of the listener, and there are no passkeys.
    pub public_url: Option<String>,
    /// Where the admin API listens; keep it away from the network.
    pub admin_listen: SocketAddr,
    /// The certificate of the API's listener, and of the admin listener where that is not on a loopback address.
    pub tls: Option<Tls>,
    /// Where that certificate comes from, if it is got from an authority.
    pub acme: Option<Acme>,
    /// For how long browsers are told to come over TLS only; 0 tells them nothing.
    pub hsts_seconds: u32,
    /// Whether a proxy ends TLS in front of the API's listener, which may be on a public address without it then.
    pub behind_proxy: bool,
    /// The proxies that are believed when they say where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// The web pages of other origins that may use the API.
    pub cors: Cors,
    /// Connections at a time, on each listener.
    pub connections: u32,
    /// Of these, the connections from one network; trusted proxies are no part of any.
    pub connections_per_address: u32,
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

impl Server {
    /// Whether the API's listener speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some() || self.acme.is_some()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            tls: None,
            acme: None,
            // Two years, what browsers ask of those that want to be known to them in advance.
            hsts_seconds: 63_072_000,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            cors: Cors::default(),
            connections: 10_000,
            connections_per_address: 2_000,
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
    #[serde(default)]
    tls: tls::Raw,
    acme: Option<Spanned<acme::Raw>>,
    hsts_seconds: RawNumber,
    behind_proxy: Option<bool>,
    trusted_proxies: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    cors: cors::Raw,
    connections: RawNumber,
    connections_per_address: RawNumber,
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
    server.tls = tls::read(raw.tls, source);
    server.acme = raw.acme.map(|raw| acme::read(raw, server.tls.is_some(), source));
    number(raw.hsts_seconds, 0..=315_360_000, &mut server.hsts_seconds, source);
    server.behind_proxy = raw.behind_proxy.unwrap_or(server.behind_proxy);
    server.trusted_proxies = networks(raw.trusted_proxies, source);
    server.cors = cors::read(raw.cors, source);
    number(raw.connections, 1..=1_000_000, &mut server.connections, source);
    number(
        raw.connections_per_address,
        1..=1_000_000,
        &mut server.connections_per_address,
        source,
    );
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

/// Networks such as `10.0.0.0/8`, and single addresses.
fn networks(given: Option<Spanned<Vec<Spanned<String>>>>, source: &mut Source<'_>) -> Vec<IpNet> {
    let Some(given) = given else { return Vec::new() };
    if given.get_ref().len() > MAX_PROXIES {
        let help = Some(format!("list at most {MAX_PROXIES}; a network stands for many"));
        source.complain(given.span(), "too many proxies", help);
    }
    let mut networks = Vec::new();
    for text in given.into_inner() {
        let network = text.get_ref().parse::<IpNet>().ok();
        let address = || text.get_ref().parse::<IpAddr>().ok().map(IpNet::from);
        match network.or_else(address) {
            // Everybody can't be trusted: then anybody could say to be anybody.
            Some(network) if network.prefix_len() > 0 => networks.push(network),
            _ => {
                let help = "write the address of the proxy or its network, for instance `\"10.0.0.0/8\"` or `\"::1\"`";
                let message = format!("`{}` is no network of proxies", text.get_ref());
                source.complain(text.span(), message, Some(help.to_owned()));
            }
        }
    }
    networks
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
