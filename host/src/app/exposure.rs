//! Where a host may listen without TLS: nowhere but on this machine.

use std::net::SocketAddr;

use crate::config::Server;

/// A listener that would send passwords and tokens over a network in the clear.
#[derive(Debug, thiserror::Error)]
pub enum Exposed {
    /// The API's.
    #[error(
        "{0} can be reached from other machines, and without TLS everybody on the way reads what is sent: set `certificate` and \
         `key` in [server.tls]; or, where a proxy ends TLS in front of this host, start it with --behind-proxy (`behind_proxy = \
         true` in [server]) and name the proxy in [server] trusted_proxies"
    )]
    Api(SocketAddr),
    /// The admin one.
    #[error(
        "the admin API on {0} can be reached from other machines, and without TLS everybody on the way reads the operator token: \
         leave admin_listen on a loopback address, or set `certificate` and `key` in [server.tls]"
    )]
    Admin(SocketAddr),
}

/// Whether the configuration sends nothing in the clear that others may read. A proxy is excused: it speaks for the API only,
/// so the admin listener is not excused with it.
pub(super) fn check(server: &Server) -> Result<(), Exposed> {
    if server.is_secure() {
        return Ok(());
    }
    if is_public(server.listen) && !server.behind_proxy {
        return Err(Exposed::Api(server.listen));
    }
    if is_public(server.admin_listen) {
        return Err(Exposed::Admin(server.admin_listen));
    }
    Ok(())
}

/// Whether others than this machine may reach an address.
pub(super) fn is_public(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(listen: &str, admin_listen: &str) -> Server {
        Server {
            listen: listen.parse().unwrap(),
            admin_listen: admin_listen.parse().unwrap(),
            ..Server::default()
        }
    }

    #[test]
    fn only_this_machine_is_served_in_the_clear() {
        let local = "127.0.0.1:0";
        for address in [local, "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(check(&server(address, address)).is_ok(), "{address}");
        }
        for address in [
            "0.0.0.0:80",
            "[::]:80",
            "10.0.0.1:80",
            "192.168.0.1:80",
            "[fe80::1]:80",
            "203.0.113.7:80",
        ] {
            assert!(
                matches!(check(&server(address, local)), Err(Exposed::Api(_))),
                "{address}"
            );
            assert!(
                matches!(check(&server(local, address)), Err(Exposed::Admin(_))),
                "{address}"
            );
        }
    }

    #[test]
    fn a_proxy_excuses_the_api_only() {
        let behind_proxy = |server| Server {
            behind_proxy: true,
            ..server
        };
        assert!(check(&behind_proxy(server("0.0.0.0:80", "127.0.0.1:81"))).is_ok());
        let both = check(&behind_proxy(server("0.0.0.0:80", "0.0.0.0:81")));
        assert!(matches!(both, Err(Exposed::Admin(_))));
    }
}
