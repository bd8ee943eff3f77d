//! `/healthz` and `/readyz`, on both listeners and for everybody.

use hyper::Response;
use serde_json::json;

use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, respond};

/// Whether the process runs: if nobody answers, restart it.
pub(in crate::http) async fn alive(request: &Request) -> Result<Response<Body>, Problem> {
    respond::value(request.format, &json!({"status": "ok"})).await
}

/// Whether to send requests here: not while draining, and not while the store takes no writes.
pub(in crate::http) async fn ready(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    if http.is_draining() {
        return Err(Problem::unavailable("draining", "the host is shutting down", 5));
    }
    if let Err(reason) = http.admin.ready() {
        tracing::warn!(target: "http", reason, "not ready");
        return Err(Problem::unavailable("not_ready", "the store is not available", 5));
    }
    respond::value(request.format, &json!({"status": "ready"})).await
}
