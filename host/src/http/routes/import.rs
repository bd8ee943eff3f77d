//! `POST /admin/api/import/{resource}`: many documents at once, each through the plugin's hooks and in a transaction of its
//! own, so that a bad one does not stop the others.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{Shared, join_all};
use futures_util::{FutureExt, StreamExt, stream};
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::admin::{audited, operator};
use crate::capabilities::catalogue::Collection;
use crate::capabilities::documents::unique_entries;
use crate::capabilities::json;
use crate::capabilities::request::RequestInfo;
use crate::dispatch::{Call, Resource};
use crate::http::body::{self, Body, Limits};
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, background, call, respond};
use crate::manifest::Action;
use crate::policy::authorize;
use crate::storage::engine::Key;

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
    operator(http, request).await?;
    let resource = http.dispatch.resource(name).ok_or_else(Problem::no_such_resource)?;
    audited(http, request, "resource.import", Some(name)).await?;
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
    let mut queue = Queue::default();
    let created = documents.into_iter().map(|document| {
        let turn = queue.join(&resource.collection, &document);
        let created = create(http, request, &resource, Arc::clone(&info), document);
        turn.take(created).boxed()
    });
    let outcomes: Vec<_> = stream::iter(created).buffered(CONCURRENCY).collect().await;
    let described = outcomes.into_iter().enumerate();
    let described = described
        .map(|(index, outcome)| describe(index, outcome, request))
        .collect();
    respond::value(request.format, &Value::Array(described)).await
}

/// Which documents wait for which: of two that would have the same entry in a unique index, the first comes first.
#[derive(Default)]
struct Queue(HashMap<Key, Shared<oneshot::Receiver<()>>>);

/// A document's place in the queue.
struct Turn {
    /// The earlier documents to wait for: each drops its sender once it is through.
    before: Vec<Shared<oneshot::Receiver<()>>>,
    through: oneshot::Sender<()>,
}

impl Queue {
    fn join(&mut self, collection: &Collection, document: &Value) -> Turn {
        let (through, is_through) = oneshot::channel();
        let is_through = is_through.shared();
        let entries = unique_entries(collection, document).into_iter();
        let before = entries
            .filter_map(|entry| self.0.insert(entry, is_through.clone()))
            .collect();
        Turn { before, through }
    }
}

impl Turn {
    /// Waits for its turn. It always comes, as documents are begun in their order.
    async fn take<T>(self, work: impl Future<Output = T>) -> T {
        join_all(self.before).await;
        let done = work.await;
        drop(self.through);
        done
    }
}

async fn create(
    http: &Http,
    request: &Request,
    resource: &Resource,
    info: Arc<RequestInfo>,
    document: Value,
) -> Result<(), Problem> {
    if !document.is_object() {
        return Err(Problem::bad_request("not_an_object", "a document must be an object"));
    }
    // There are many, and an administrator may have become something less meanwhile.
    let caller = operator(http, request).await?;
    let permit = authorize(&caller, Action::Create, &resource.name, &resource.rules)?.importing();
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
