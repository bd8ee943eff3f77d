//! Certificates, and a client that speaks TLS and trusts one of them only.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_tests::Host;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// `[server.tls]` of the files that [`Pair::install`] writes.
pub(crate) const TLS: &str = "[server.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";

/// A certificate for `localhost` and its key.
pub(crate) struct Pair(CertifiedKey<KeyPair>);

impl Pair {
    pub(crate) fn new() -> Self {
        let names = vec!["localhost".to_owned()];
        Self(generate_simple_self_signed(names).expect("a certificate can be made"))
    }

    /// Writes both files into a folder.
    pub(crate) fn install(&self, folder: &Path) {
        self.install_certificate(folder);
        self.install_key(folder);
    }

    pub(crate) fn install_certificate(&self, folder: &Path) {
        fs::write(folder.join("cert.pem"), self.0.cert.pem()).expect("the folder takes files");
    }

    pub(crate) fn install_key(&self, folder: &Path) -> PathBuf {
        let file = folder.join("key.pem");
        fs::write(&file, self.0.signing_key.serialize_pem()).expect("the folder takes files");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the file is the test's");
        file
    }
}

/// A connection to the API of a host.
pub(crate) struct Connection {
    runtime: Runtime,
    sender: Sender,
}

enum Sender {
    One(http1::SendRequest<Empty<Bytes>>),
    Two(http2::SendRequest<Empty<Bytes>>),
}

impl Connection {
    /// Connects to the host if it shows this certificate.
    pub(crate) fn open(host: &Host, trusted: &Pair, protocol: &str) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let sender = runtime.block_on(connect(host.api().authority(), trusted, protocol))?;
        Ok(Self { runtime, sender })
    }

    /// `GET path`.
    pub(crate) fn get(&mut self, path: &str) -> (StatusCode, HeaderMap, Version) {
        let request = Request::get(format!("https://localhost{path}")).header("host", "localhost");
        let request = request.body(Empty::new()).expect("a request");
        self.runtime.block_on(async {
            let answer = match &mut self.sender {
                Sender::One(sender) => sender.send_request(request).await,
                Sender::Two(sender) => sender.send_request(request).await,
            };
            let (head, body) = answer.expect("the host answers").into_parts();
            body.collect().await.expect("the whole answer comes");
            (head.status, head.headers, head.version)
        })
    }
}

async fn connect(address: &str, trusted: &Pair, protocol: &str) -> Result<Sender, String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(trusted.0.cert.der().to_vec()))
        .expect("the certificate can be trusted");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them");
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.expect("the host listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    assert_eq!(agreed.as_deref(), Some(protocol.as_bytes()));
    let stream = TokioIo::new(stream);
    if protocol == "h2" {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        return Ok(Sender::Two(sender));
    }
    let (sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    Ok(Sender::One(sender))
}
