//! `POST /admin/api/import/{resource}`: many documents at once, each through the plugin's hooks and in a transaction of its
//! own, so that a bad one does not stop the others.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream};
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::admin::operator;
use crate::capabilities::json;
use crate::capabilities::request::RequestInfo;
use crate::dispatch::{Call, Resource};
use crate::http::body::{self, Body, Limits};
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, background, call, respond};
use crate::manifest::Action;
use crate::policy::{Caller, authorize};

/// The most documents of one request.
const MAX_DOCUMENTS: usize = 500;
/// How much larger than on the API's listener a body may be.
const BODY_FACTOR: usize = 16;
/// How many documents are on their way at a time.
const CONCURRENCY: usize = 32;

/// Answers `[{"index": 0, "status": 201}, {"index": 1, "status": 422, "problem": {...}}]`.
pub(in crate::http) async fn import(
    http: &Http,
    name: &str,
    request: &Request,
    incoming: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let caller = operator(http, request)?;
    let resource = http.dispatch.resource(name).ok_or_else(Problem::no_such_resource)?;
    let limits = http.body_limits();
    let limits = Limits {
        bytes: limits.bytes * BODY_FACTOR,
        ..limits
    };
    let bytes = body::read(&request.head.headers, incoming, limits).await?;
    // So many documents take a while to parse.
    let documents = match background::run(move || json::parse(&bytes)).await?? {
        Value::Array(documents) if documents.len() <= MAX_DOCUMENTS => documents,
        _ => {
            let detail = format!("the body must be an array of at most {MAX_DOCUMENTS} objects");
            return Err(Problem::bad_request("malformed_import", detail));
        }
    };
    let info = Arc::new(call::info(http, request));
    let created = documents
        .into_iter()
        .map(|document| create(http, &resource, &caller, Arc::clone(&info), document).boxed());
    let outcomes: Vec<_> = stream::iter(created).buffered(CONCURRENCY).collect().await;
    let described = outcomes.into_iter().enumerate();
    let described = described
        .map(|(index, outcome)| describe(index, outcome, request))
        .collect();
    respond::value(request.format, &Value::Array(described)).await
}

async fn create(
    http: &Http,
    resource: &Resource,
    caller: &Caller,
    info: Arc<RequestInfo>,
    document: Value,
) -> Result<(), Problem> {
    if !document.is_object() {
        return Err(Problem::bad_request("not_an_object", "a document must be an object"));
    }
    let permit = authorize(caller, Action::Create, &resource.name, &resource.access)?;
    let operation = call::create(document)?;
    let admission = http.dispatch.admit(&[&permit]).await?;
    let call = Call {
        operation,
        request: info,
        idempotency: None,
    };
    http.dispatch.call(permit, admission, call).await?;
    Ok(())
}

fn describe(index: usize, outcome: Result<(), Problem>, request: &Request) -> Value {
    match outcome {
        Ok(()) => json!({"index": index, "status": StatusCode::CREATED.as_u16()}),
        Err(problem) => {
            json!({"index": index, "status": problem.status().as_u16(), "problem": problem.to_json(&request.id)})
        }
    }
}
