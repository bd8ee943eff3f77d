//! The edge: what meets the network before any route is served. TLS, proxies, other origins, rates, connections.

#[path = "edge/hosts.rs"]
mod hosts;
#[path = "edge/origins.rs"]
mod origins;
#[path = "edge/rates.rs"]
mod rates;
#[path = "edge/tls.rs"]
mod tls;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use hyper::Version;
use portcullis_tests::{CHEAP_HASHING, Client, Host, PASSWORD, Setup};
use serde_json::json;

use tls::{Connection, Pair, TLS};

const ADA: &str = "ada@example.org";
const HSTS: &str = "strict-transport-security";
/// Requests of the tests come from a proxy that is trusted.
const TRUSTING: &str = "trusted_proxies = [\"127.0.0.1\"]\n";

/// A host with these keys of `[server]` and this certificate.
fn secure(pair: &Pair, server: &str) -> Host {
    let setup = Host::init().with_config(&format!("[server]\n{server}{TLS}"));
    pair.install(setup.directory());
    setup.start()
}

fn with_server(keys: &str) -> Setup {
    Host::init().with_config(&format!("[server]\n{keys}"))
}

#[test]
fn http_2_and_http_1_are_spoken_over_tls() {
    let pair = Pair::new();
    let host = secure(&pair, "");
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let mut connection = Connection::open(&host, &pair, protocol).expect("the certificate is the host's");
        let (status, headers, spoken) = connection.get("/healthz");
        assert_eq!((status.as_u16(), spoken), (200, version));
        assert_eq!(headers[HSTS], "max-age=63072000; includeSubDomains");
    }
    let stranger = Connection::open(&host, &Pair::new(), "h2");
    assert!(stranger.is_err(), "a client that trusts another certificate goes on");
    // The admin listener is on the loopback, where its commands reach it in the clear.
    host.admin().get("/readyz").expect(200);
    assert!(host.to_admin(&["reload"]).status.success());
}

#[test]
fn what_is_not_tls_gets_no_answer() {
    let host = secure(&Pair::new(), "header_timeout_ms = 1000\n");
    let said = exchange(host.api(), "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(!said.contains("HTTP/1.1"), "{said}");
    // Nor does a handshake last for ever that never goes on.
    let mut silent = connect(host.api());
    silent.write_all(&[22, 3, 1]).expect("the host reads");
    assert!(is_closed(&mut silent));
}

#[test]
fn a_certificate_is_replaced_without_a_restart_and_open_connections_go_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let host = secure(&old, "");
    let mut open = Connection::open(&host, &old, "h2").expect("the old certificate is shown");
    open.get("/healthz");

    new.install(host.setup().directory());
    host.wait_until("the new certificate to be shown", || {
        Connection::open(&host, &new, "h2").is_ok()
    });
    assert!(Connection::open(&host, &old, "h2").is_err());
    assert_eq!(open.get("/healthz").0, 200);

    // A reload does not wait until somebody looks.
    old.install(host.setup().directory());
    assert!(host.to_admin(&["reload"]).status.success());
    assert!(Connection::open(&host, &old, "http/1.1").is_ok());
    assert_eq!(open.get("/healthz").0, 200);
}

#[test]
fn a_bad_pair_keeps_the_old_one_and_is_named() {
    let (old, new) = (Pair::new(), Pair::new());
    let host = secure(&old, "");
    let folder = host.setup().directory();
    new.install_certificate(folder);
    host.wait_for_log("the old one stays in use");
    assert!(host.log().contains("do not belong together"), "{}", host.log());
    assert!(Connection::open(&host, &old, "h2").is_ok());

    let refused = host.to_admin(&["reload"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("do not belong together"),
        "{said}"
    );
    assert!(Connection::open(&host, &old, "h2").is_ok());

    new.install_key(folder);
    host.wait_until("the new certificate to be shown", || {
        Connection::open(&host, &new, "h2").is_ok()
    });
}

#[test]
fn files_that_are_no_good_end_the_start_with_the_reason() {
    let start = |spoil: &dyn Fn(&Setup)| {
        let setup = with_server(TLS);
        Pair::new().install(setup.directory());
        spoil(&setup);
        setup.start_in_vain()
    };
    let said = start(&|setup| {
        let key = setup.directory().join("key.pem");
        fs::set_permissions(key, fs::Permissions::from_mode(0o644)).expect("the file is the test's");
    });
    assert!(said.contains("chmod 600"), "{said}");
    let said = start(&|setup| fs::write(setup.directory().join("cert.pem"), "hello").expect("a file"));
    assert!(said.contains("there is no certificate in it"), "{said}");
    let said = start(&|setup| fs::write(setup.directory().join("key.pem"), vec![b'x'; 1 << 20]).expect("a file"));
    assert!(said.contains("more than"), "{said}");
    let said = start(&|setup| fs::remove_file(setup.directory().join("cert.pem")).expect("a file"));
    assert!(said.contains("cert.pem"), "{said}");
    let said = start(&|setup| Pair::new().install_certificate(setup.directory()));
    assert!(said.contains("do not belong together"), "{said}");
}

#[test]
fn a_public_address_needs_tls_or_a_proxy() {
    let public = "0.0.0.0:0";
    let said = Host::init().listening_on(public).start_in_vain();
    for word in ["[server.tls]", "--behind-proxy", "trusted_proxies"] {
        assert!(said.contains(word), "{word} is not in\n{said}");
    }
    let said = Host::init()
        .administered_on(public)
        .with_flag("--behind-proxy")
        .start_in_vain();
    assert!(said.contains("admin_listen") && said.contains("[server.tls]"), "{said}");

    let host = Host::init().listening_on(public).with_flag("--behind-proxy").start();
    host.get("/healthz").expect(200);
    host.wait_for_log("trusted_proxies does not name");
    let host = with_server("behind_proxy = true\n").listening_on(public).start();
    host.get("/healthz").expect(200);

    let pair = Pair::new();
    let setup = with_server(TLS).listening_on(public).administered_on(public);
    pair.install(setup.directory());
    let host = setup.start();
    let mut connection = Connection::open(&host, &pair, "h2").expect("the certificate is the host's");
    assert_eq!(connection.get("/healthz").0, 200);
    let said = exchange(host.admin_as_anybody(), HEALTH);
    assert!(!said.contains("HTTP/1.1"), "{said}");
}

#[test]
fn browsers_are_told_to_come_over_tls_where_they_do() {
    let told = |host: &Host, proto: Option<&str>| {
        let request = host.api().request("GET", "/healthz");
        let request = match proto {
            Some(proto) => request.header("x-forwarded-proto", proto),
            None => request,
        };
        request.send().expect(200).header(HSTS).is_some()
    };
    let plain = Host::init().start();
    assert!(!told(&plain, None) && !told(&plain, Some("https")));
    let proxied = with_server(TRUSTING).start();
    assert!(!told(&proxied, None) && !told(&proxied, Some("http")) && told(&proxied, Some("https")));
    let public = with_server("public_url = \"https://shop.example.org\"\n").start();
    assert!(told(&public, None));
    let silent = with_server("public_url = \"https://shop.example.org\"\nhsts_seconds = 0\n").start();
    assert!(!told(&silent, None));
}

#[test]
fn where_a_request_comes_from_is_what_a_trusted_proxy_says_and_nobody_else() {
    let client = "203.0.113.7";
    let spoofed = [
        ("x-forwarded-for", "8.8.8.8, 203.0.113.7"),
        ("forwarded", "for=8.8.8.8;proto=https, for=203.0.113.7"),
        ("x-forwarded-for", "8.8.8.8\", 203.0.113.7"),
    ];
    for (server, expected) in [("", "127.0.0.1"), (TRUSTING, client)] {
        let host = Host::init()
            .with_config(&format!("[server]\n{server}{CHEAP_HASHING}"))
            .start();
        host.account(ADA, &[]);
        for (name, value) in spoofed {
            let login = host.api().request("POST", "/auth/login").header(name, value);
            let login = login.json(&json!({ "email": ADA, "password": PASSWORD })).send();
            let token = login.expect(200).json()["token"].as_str().expect("a token").to_owned();
            let sessions = host.api().with_token(&token).get("/auth/sessions").expect(200).json();
            let current = sessions["items"].as_array().expect("sessions").iter();
            let current: Vec<_> = current.filter(|session| session["current"] == true).collect();
            assert_eq!(current[0]["address"], expected, "{name}: {value}");
        }
    }
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

fn connect(client: &Client) -> TcpStream {
    let connection = TcpStream::connect(client.authority()).expect("the host listens");
    connection
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout can be set");
    connection
}

/// Whether the host ends a connection on which it is asked nothing.
fn is_closed(connection: &mut TcpStream) -> bool {
    let mut said = Vec::new();
    match connection.read_to_end(&mut said) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// All that the host says to some bytes, until it closes the connection.
fn exchange(client: &Client, bytes: &str) -> String {
    let mut connection = connect(client);
    connection.write_all(bytes.as_bytes()).expect("the host reads");
    let mut said = Vec::new();
    // A reset is an end, too.
    let _ = connection.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}
