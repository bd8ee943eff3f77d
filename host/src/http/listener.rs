//! The listeners: connections, their limits and timeouts, and an end that lets requests in flight finish.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::FusedFuture as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::patience::{Activity, Kept, Paced, Patience, Reaper};
use super::proxy::Peer;
use super::router::Surface;
use super::tally::{Counted, Tally};
use super::tls::{BadCertificate, Certificates};
use super::{Http, stack};

/// How long accepting pauses where the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// hyper's own buffer for the head of a request. It is larger than what is allowed, so that a client that sends too much gets
/// a problem as an answer, which hyper alone would not give it.
const HEAD_BUFFER_BYTES: usize = 256 << 10;

/// How many times more headers hyper reads than are allowed, for the same reason.
const HEADERS_READ: usize = 2;

/// Streams of one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// How many requests of one connection are served, or have answers that are not taken yet. Further streams wait.
const SERVED_AT_A_TIME: usize = 16;

/// Binds a listener that has up to `waiting` connections wait for being accepted, as far as the system allows it (on Linux
/// `net.core.somaxconn`). The usual 128 are not enough for a crowd that comes at once: Linux then answers with SYN cookies,
/// and resets connections that their clients take for established.
pub fn bind(address: SocketAddr, waiting: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A host that is started again need not wait for its predecessor's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(waiting)
}

/// Where clients come in, and whether over TLS.
pub struct Listener {
    socket: TcpListener,
    tls: Option<(Arc<Certificates>, TlsAcceptor)>,
}

impl Listener {
    /// A listener whose connections are TLS where there are certificates.
    pub fn new(socket: TcpListener, certificates: Option<&Arc<Certificates>>) -> Result<Self, BadCertificate> {
        let with_acceptor = |certificates: &Arc<Certificates>| Ok((Arc::clone(certificates), certificates.acceptor()?));
        Ok(Self {
            socket,
            tls: certificates.map(with_acceptor).transpose()?,
        })
    }
}

/// Serves both listeners until `shutdown` resolves, then drains: `/readyz` says 503 at once, the API's listener accepts nothing
/// new and its requests in flight finish, within the drain timeout; the admin listener goes last, so that the drain can
/// be watched. Where a listener fails, which is a fault of the program, all stops too: a process that does not listen is of
/// no use to anybody, and one that has ended is started again.
pub async fn serve(
    http: Arc<Http>,
    api: Listener,
    admin: Listener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ListenerFailed> {
    // Both listeners show the same certificate.
    let certificates = [&api, &admin].into_iter().find_map(|listener| listener.tls.as_ref());
    let watching = certificates.map(|(certificates, _)| tokio::spawn(Arc::clone(certificates).watch()));
    let (stop_api, api_stopped) = watch::channel(false);
    let (stop_admin, admin_stopped) = watch::channel(false);
    let mut api = tokio::spawn(listen(Arc::clone(&http), Surface::Api, api, api_stopped)).fuse();
    let mut admin = tokio::spawn(listen(Arc::clone(&http), Surface::Admin, admin, admin_stopped)).fuse();
    let failed = tokio::select! {
        () = shutdown => false,
        _ = &mut api => true,
        _ = &mut admin => true,
    };
    tracing::info!(target: "http", "draining");
    http.start_draining();
    for (stop, listener) in [(stop_api, api), (stop_admin, admin)] {
        stop.send_replace(true);
        if !listener.is_terminated() {
            listener.await.map_err(|_| ListenerFailed)?;
        }
    }
    if let Some(watching) = watching {
        watching.abort();
    }
    if failed { Err(ListenerFailed) } else { Ok(()) }
}

/// A listener ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("a listener failed: this is a fault of the program")]
pub struct ListenerFailed;

/// Accepts connections until told to stop, then waits for those that there are.
async fn listen(http: Arc<Http>, surface: Surface, listener: Listener, mut stopped: watch::Receiver<bool>) {
    let Listener { socket, tls } = listener;
    let serving = Serving {
        builder: builder(http.server.header_count),
        tls: tls.map(|(_, acceptor)| acceptor),
        stopped: stopped.clone(),
        surface,
        http: Arc::clone(&http),
    };
    let places = Places {
        all: Arc::new(Semaphore::new(http.server.connections as usize)),
        of_network: Tally::new(http.server.connections_per_address),
    };
    let connections = GracefulShutdown::new();
    let reaper = Reaper::default();
    let mut reaping = pin!(reaper.run(Patience {
        first_request: Duration::from_millis(http.server.header_timeout_ms.into()),
        idle: Duration::from_millis(http.server.idle_timeout_ms.into()),
    }));
    let mut stop = pin!(stopped.wait_for(|stop| *stop));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&http, &socket, &places) => accepted,
            () = &mut reaping => break,
            _ = &mut stop => break,
        };
        match accepted {
            Ok(Some(accepted)) => {
                let activity = Arc::new(Activity::default());
                let serve = serving
                    .clone()
                    .serve(accepted, Arc::clone(&activity), connections.watcher());
                // From here on, so that the handshake and the head of the first request have one deadline.
                reaper.watch(activity, tokio::spawn(serve).abort_handle());
            }
            Ok(None) => tracing::debug!(target: "http", "a network has too many connections: a further one is closed"),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(target: "http", %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop((socket, serving));
    let open = connections.count();
    let drain_timeout = Duration::from_millis(http.server.drain_timeout_ms.into());
    if tokio::time::timeout(drain_timeout, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(target: "http", open, "requests in flight did not finish in time and are cut off");
    }
}

/// How many connections a listener has room for.
struct Places {
    all: Arc<Semaphore>,
    of_network: Arc<Tally>,
}

/// A connection, where it comes from, and what it takes while it lasts.
struct Accepted {
    stream: TcpStream,
    peer: Peer,
    _place: OwnedSemaphorePermit,
    /// The proxies' connections are those of others.
    _counted: Option<Counted>,
}

/// Waits for a place first, so that clients beyond the limit wait in the system's queue instead of taking memory here. Nothing
/// where the network of the client has its share already.
async fn accept(http: &Http, listener: &TcpListener, places: &Places) -> io::Result<Option<Accepted>> {
    let place = Arc::clone(&places.all)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // A listener for both families has IPv4 clients under addresses of IPv6.
    let address = peer.ip().to_canonical();
    let counted = match http.proxies.trusts(address) {
        true => None,
        false => match places.of_network.count(address) {
            None => return Ok(None),
            counted => counted,
        },
    };
    stream.set_nodelay(true)?;
    Ok(Some(Accepted {
        stream,
        peer: Peer {
            address,
            is_secure: false,
        },
        _place: place,
        _counted: counted,
    }))
}

/// Whether only the one connection failed, so that the next may well succeed.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected
    )
}

fn builder(header_count: u32) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_buf_size(HEAD_BUFFER_BYTES)
        .max_headers(header_count as usize * HEADERS_READ)
        .half_close(false);
    builder
        .http2()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEAD_BUFFER_BYTES as u32);
    builder
}

/// What serves the connections of a listener.
#[derive(Clone)]
struct Serving {
    builder: Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    stopped: watch::Receiver<bool>,
    surface: Surface,
    http: Arc<Http>,
}

impl Serving {
    /// Serves a connection to its end; first comes the handshake, where there is one.
    async fn serve(mut self, accepted: Accepted, activity: Arc<Activity>, watcher: Watcher) {
        let Accepted {
            stream,
            peer,
            _place,
            _counted,
        } = accepted;
        let Some(tls) = self.tls.take() else {
            return finish(watcher.watch(self.connection(stream, peer, activity))).await;
        };
        let stopped = self.stopped.clone();
        let handshake = tokio::select! {
            handshake = tls.accept(stream) => handshake,
            // Nothing was asked yet, so nobody is cut off.
            () = until(stopped) => return,
        };
        match handshake {
            Ok(stream) => {
                let peer = Peer {
                    is_secure: true,
                    ..peer
                };
                finish(watcher.watch(self.connection(stream, peer, activity))).await;
            }
            Err(error) => tracing::debug!(target: "tls", %error, "a handshake failed"),
        }
    }

    fn connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        activity: Arc<Activity>,
    ) -> impl GracefulConnection<Error: Display> + Send + 'static {
        let Self {
            builder, surface, http, ..
        } = self;
        let places = Arc::new(Semaphore::new(SERVED_AT_A_TIME));
        let service = service_fn(move |request: Request<Incoming>| {
            let (http, activity) = (Arc::clone(&http), Arc::clone(&activity));
            // HTTP/1 asks for one thing at a time anyway.
            let place = (request.version() == Version::HTTP_2).then(|| Arc::clone(&places).acquire_owned());
            async move {
                // The semaphore is never closed.
                let _place = match place {
                    Some(place) => place.await.ok(),
                    None => None,
                };
                let in_flight = activity.request();
                let (response, _room) = stack::answer(&http, surface, peer, request).await;
                drop(in_flight);
                Ok::<_, Infallible>(response.map(|body| Paced::new(body, activity, Kept { _place, _room })))
            }
        });
        builder.serve_connection(TokioIo::new(stream), service).into_owned()
    }
}

/// Resolves once the listener is to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // Without a sender it has stopped.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// A client that goes away or breaks the protocol has had its answer, or does not want one.
async fn finish<E: Display>(connection: impl Future<Output = Result<(), E>>) {
    if let Err(error) = connection.await {
        tracing::debug!(target: "http", %error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpStream};

    /// More than the 128 that a listener usually lets wait; nothing is accepted meanwhile.
    #[tokio::test]
    async fn a_crowd_that_comes_at_once_waits_for_being_accepted() {
        const CROWD: u32 = 500;
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), CROWD).unwrap();
        let address = listener.local_addr().unwrap();
        // The system may be set to let fewer wait, whatever is asked of it.
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
        let allowed = allowed.map_or(CROWD, |text| text.trim().parse().unwrap());
        let crowd: Vec<_> = (0..CROWD.min(allowed))
            .map(|_| TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap())
            .collect();
        for _ in &crowd {
            listener.accept().await.unwrap();
        }
    }
}
