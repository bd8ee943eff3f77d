//! The HTTP client towards those that the operator has named: encrypted, no redirects, and with limits on time and size. There
//! are few requests, so each has a connection of its own.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::is_guarded;

/// For one request, from the first packet to the last.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For one answer; metadata and keys of large providers take some ten.
const MAX_BODY_BYTES: usize = 256 << 10;
/// For the head of one.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Sends requests.
#[derive(Clone)]
pub(super) struct Client {
    tls: TlsConnector,
    /// Whether it is for one on this machine, which need not encrypt.
    may_be_plain: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("{0} would not be encrypted")]
    Unguarded(Uri),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error(transparent)]
    Connection(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("its answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl Client {
    /// A client that trusts whom the system trusts.
    pub(super) fn new() -> Result<Self, String> {
        Self::trusting(Vec::new())
    }

    /// The same that trusts these as well.
    pub(super) fn trusting(more: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs.into_iter().chain(more));
        if roots.is_empty() {
            tracing::warn!(target: "http", errors = ?found.errors, "no certificates are trusted: install ca-certificates");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            may_be_plain: false,
        })
    }

    /// The same for those under this URL. One elsewhere leads nobody to the ports of this machine.
    pub(super) fn towards(&self, url: &str) -> Self {
        Self {
            tls: self.tls.clone(),
            may_be_plain: !url.starts_with("https:"),
        }
    }

    /// Whether requests, and people, may go there.
    pub(super) fn may_go_to(&self, uri: &Uri) -> bool {
        is_guarded(uri) && (self.may_be_plain || uri.scheme_str() == Some("https"))
    }

    /// Sends a request, and reads its answer to the end.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Unanswered> {
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        answered.unwrap_or(Err(Unanswered::Timeout))
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Unanswered> {
        let uri = request.uri().clone();
        let (true, Some(host)) = (self.may_go_to(&uri), uri.host()) else {
            return Err(Unanswered::Unguarded(uri));
        };
        let is_encrypted = uri.scheme_str() == Some("https");
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        if !is_encrypted {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        exchange(self.tls.connect(name, stream).await?, request).await
    }
}

/// Sends the request on a new connection, and reads its answer to the end.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Unanswered> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    let answer = async {
        let answer = sender.send_request(in_origin_form(request)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let body = body.map_err(Unanswered::Body)?.to_bytes();
        Ok(Response::from_parts(head, body.into()))
    };
    let (mut answer, connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        answered = &mut answer => answered,
        // It ends once all has been read, or has failed, which the answer tells.
        _ = connection => answer.await,
    }
}

/// A server wants the path alone in the first line, and the rest as a header.
fn in_origin_form(request: Request<Vec<u8>>) -> Request<Full<Bytes>> {
    let (mut head, body) = request.into_parts();
    let host = head
        .uri
        .authority()
        .and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(path) = head.uri.path_and_query() {
        head.uri = Uri::from(path.clone());
    }
    head.headers.extend(host.map(|host| (HOST, host)));
    head.headers.insert(USER_AGENT, HeaderValue::from_static("portcullis"));
    Request::from_parts(head, Full::from(body))
}
