//! What happens around every handler, in this order:
//!
//! 1. the request gets its id, so that whatever follows can be found in the log;
//! 2. limits and the shape of the head are checked (`head.rs`), before anything is looked up;
//! 3. the route and its method are found (404, 405, OPTIONS and what browsers ask with it), then the format of the answer (406);
//! 4. the request is counted, and refused where there are too many (429);
//! 5. the handler runs; its panic is an answer like others;
//! 6. the answer is compressed, loses its body for HEAD, and gets the headers that every answer has.
//!
//! One function instead of a pile of layers: it runs for each request, and costs a fraction of a microsecond.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, EXPECT, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::body::{self, Body};
use super::media::{self, Format};
use super::patience::NoRoom;
use super::problem::Problem;
use super::proxy::Peer;
use super::request::Request;
use super::router::{self, Surface};
use super::telling::{FORBIDDEN, UNAUTHENTICATED};
use super::throttle::{Group, Standings};
use super::trace::{self, TRACEPARENT, X_REQUEST_ID};
use super::{Http, compress, head};

/// Answers a request, whatever it is. A long answer comes with the room that it takes until it is sent.
pub(super) async fn answer(
    http: &Http,
    surface: Surface,
    peer: Peer,
    request: hyper::Request<Incoming>,
) -> (Response<Body>, Option<OwnedSemaphorePermit>) {
    let (head, mut body) = request.into_parts();
    let accepted = media::accepted(&head.headers);
    let traceparent = trace::traceparent(&head.headers);
    let peer = http.proxies.client(peer, &head.headers);
    let request = Request {
        id: trace::request_id(&head.headers),
        format: accepted.unwrap_or(Format::Json),
        peer: peer.address,
        head,
        standings: Standings::default(),
    };

    let served = AssertUnwindSafe(serve(http, surface, &request, accepted.is_some(), &mut body)).catch_unwind();
    let served = served.await.unwrap_or_else(|panic| Err(panicked(&request, &*panic)));
    let response = served.unwrap_or_else(|problem| {
        log(&request, &problem);
        problem.into_response(request.format, &request.id)
    });

    if !body.is_end_stream() && !request.head.headers.contains_key(EXPECT) {
        body::discard(&mut body).await;
    }
    let compressed = compress::compress(&request.head.headers, response).await;
    let (mut response, room) = match http.unsent.room(compressed.body().size_hint().exact()) {
        Ok(room) => (compressed, room),
        Err(NoRoom) => {
            let problem = Problem::unavailable("overloaded", "too many answers wait for their clients", 1);
            log(&request, &problem);
            (problem.into_response(request.format, &request.id), None)
        }
    };
    if request.head.method == Method::HEAD {
        drop_body(&mut response);
    }
    add_headers(&mut response, request.id.clone(), traceparent);
    add_edge_headers(http, surface, peer, &request, &mut response);
    (response, room)
}

async fn serve(
    http: &Http,
    surface: Surface,
    request: &Request,
    is_acceptable: bool,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let head = &request.head;
    head::check(head, &http.server)?;
    if head.method == Method::OPTIONS && head.uri.path() == "*" {
        return Ok(options("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    let route = router::find(surface, head.uri.path())?;
    if !route.allows(&head.method) {
        return Err(Problem::method_not_allowed(route.allow()));
    }
    if http.cors.applies(surface, head.uri.path()) && http.cors.is_preflight(head) {
        return Ok(http
            .cors
            .preflight(route.allow(), http.dispatch.request_headers().iter()));
    }
    if head.method == Method::OPTIONS {
        return Ok(options(route.allow()));
    }
    if !is_acceptable && !route.is_page() {
        return Err(Problem::not_acceptable());
    }
    let group = Group::of(surface, route, head.uri.path());
    if let Some(group) = group.filter(|_| !http.identity.is_of_operator(&head.headers)) {
        let (throttle, path) = (&http.throttle, head.uri.path());
        throttle.network(group, request.peer, &request.standings)?;
        throttle.route(&head.method, path, request.peer, &request.standings)?;
    }
    router::serve(http, route, request, body).await
}

fn options(allow: &'static str) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn panicked(request: &Request, panic: &(dyn std::any::Any + Send)) -> Problem {
    let message = panic.downcast_ref::<&str>().copied();
    let message = message
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(target: "http", request = ?request.id, path = request.head.uri.path(), message, "a handler panicked");
    Problem::internal()
}

/// What failed on this side of the wire belongs into the log, and so does who was refused what they may not do (OWASP ASVS 5.0,
/// 16.3.2); other refusals only where somebody looks for them. What is refused for want of room, or of something that the
/// operator has not set, comes in such numbers that it would fill the log. Only the path is told: a query may hold the token of
/// a link, or the code of a provider.
fn log(request: &Request, problem: &Problem) {
    let (status, code, method, path) = (
        problem.status().as_u16(),
        problem.code(),
        &request.head.method,
        request.head.uri.path(),
    );
    let told = match problem.status() {
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED.next(),
        StatusCode::FORBIDDEN => FORBIDDEN.next(),
        _ => None,
    };
    if problem.status().is_server_error() && !matches!(code, "overloaded" | "passkeys_unavailable") {
        tracing::warn!(target: "http", request = ?request.id, %method, path, status, code, "a request failed");
    } else if let Some(left_out) = told {
        let peer = request.peer;
        tracing::info!(target: "http", request = ?request.id, %peer, %method, path, status, code, left_out, "a request was refused");
    } else {
        tracing::debug!(target: "http", request = ?request.id, %method, path, status, code, "a request was refused");
    }
}

/// HEAD says how long the body would be, and sends none.
fn drop_body(response: &mut Response<Body>) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = body::empty();
}

/// What answers say about how they travel, to whom, and how often.
fn add_edge_headers(http: &Http, surface: Surface, peer: Peer, request: &Request, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    if let Some(hsts) = http.hsts.header(peer.is_secure) {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if http.cors.applies(surface, request.head.uri.path()) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        http.cors.add_headers(&request.head.headers, headers);
    }
    request.standings.add_headers(headers);
}

/// What an answer that is no page may do in a browser (OWASP ASVS 5.0, 3.4.3 and 3.4.6).
const NOTHING: &str =
    "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer says. Hardly anything here is a page, so a browser must not make one of it.
fn add_headers(response: &mut Response<Body>, id: HeaderValue, traceparent: Option<HeaderValue>) {
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id);
    headers.insert(
        VARY,
        HeaderValue::from_static("accept, accept-encoding, authorization, cookie"),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Only the few pages say otherwise.
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(NOTHING));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if let Some(traceparent) = traceparent {
        headers.insert(TRACEPARENT, traceparent);
    }
}
