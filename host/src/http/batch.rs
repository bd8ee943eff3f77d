//! `POST /api/batch`: several operations in one transaction, all of them or none.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, IF_MATCH};
use hyper::{Method, Response, StatusCode};
use serde_json::{Map, Value};

use super::body::Body;
use super::call::{self, Parts};
use super::media::Format;
use super::problem::Problem;
use super::request::Request;
use super::router::{self, Route, Surface};
use super::{Http, conditional, identify, render, respond};
use crate::dispatch::{Call, Operation, Precondition, Reply};
use crate::manifest::Action;
use crate::policy::{Caller, Permit, authorize};

/// Serves a batch.
pub(super) async fn handle(http: &Http, request: &Request, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let credentials = identify::credentials(http, &request.head)?;
    let caller = http.identity.caller(&credentials).await?;
    http.throttle.caller(&caller, &request.standings)?;
    let (bytes, value) = call::object(http, request, body).await?;
    // While it arrived, the caller may have lost what it had.
    let caller = match caller {
        Caller::Account(_) => http.identity.caller(&credentials).await?,
        Caller::Anonymous | Caller::Operator => caller,
    };
    let idempotency = call::idempotency_key(&caller, request, &bytes)?;
    let info = Arc::new(call::info(http, request));

    let mut permits = Vec::new();
    let mut calls = Vec::new();
    let mut names = Vec::new();
    let entries = entries(value, http.server.batch_operations as usize)?;
    let throttle = &http.throttle;
    throttle.batch(request.peer, &caller, entries.len(), &request.standings)?;
    for (index, entry) in entries.into_iter().enumerate() {
        let at = |problem: Problem| problem.of_operation(index);
        let entry = Entry::read(entry).map_err(at)?;
        if caller != Caller::Operator {
            // What is done in a batch counts like what is done alone.
            throttle
                .route(&entry.method, &entry.path, request.peer, &request.standings)
                .map_err(at)?;
        }
        let (permit, operation) = entry.permitted(http, &caller).map_err(at)?;
        names.push(Arc::clone(permit.resource()));
        permits.push(permit);
        calls.push(Call {
            operation,
            request: Arc::clone(&info),
            idempotency: None,
        });
    }

    let admission = http.dispatch.admit(&permits.iter().collect::<Vec<_>>()).await?;
    let calls = permits.into_iter().zip(calls).collect();
    let answer = http.dispatch.call_all(calls, admission, idempotency).await;
    let answer = answer.map_err(|(index, failure)| Problem::from(failure).of_operation(index))?;
    let mut response = respond::json(request.format, results(&answer.replies, &names)).await?;
    if answer.replayed {
        respond::mark_replayed(&mut response);
    }
    Ok(response)
}

/// The elements of `operations`.
fn entries(mut body: Value, limit: usize) -> Result<Vec<Value>, Problem> {
    let operations = body.as_object_mut().and_then(|members| {
        let operations = members.remove("operations");
        operations.filter(|_| members.is_empty())
    });
    match operations {
        Some(Value::Array(entries)) if (1..=limit).contains(&entries.len()) => Ok(entries),
        _ => {
            let detail =
                format!("the body must be `{{\"operations\": [...]}}` with 1 to {limit} operations, and nothing else");
            Err(Problem::bad_request("malformed_batch", detail))
        }
    }
}

/// One operation as the client wrote it.
struct Entry {
    method: Method,
    /// What the router finds, and what is counted: the same text for both.
    path: String,
    /// What was behind a question mark; empty where there was none.
    query: String,
    body: Option<Value>,
    precondition: Option<Precondition>,
}

impl Entry {
    fn read(entry: Value) -> Result<Self, Problem> {
        let refuse = |detail: String| Problem::bad_request("malformed_operation", detail);
        let Value::Object(mut members) = entry else {
            return Err(refuse("an operation is an object".to_owned()));
        };
        let method = take_text(&mut members, "method")?;
        let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let path = take_text(&mut members, "path")?;
        let (Some(method), Some(target)) = (method, path) else {
            return Err(refuse("an operation has a `method` and a `path`".to_owned()));
        };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let precondition = match take_text(&mut members, "if_match")? {
            Some(tags) => read_if_match(&tags)?,
            None => None,
        };
        let body = members.remove("body");
        match members.keys().next() {
            Some(unknown) => Err(refuse(format!("`{unknown}` is not a member of an operation"))),
            None => Ok(Self {
                method,
                path: path.to_owned(),
                query: query.to_owned(),
                body,
                precondition,
            }),
        }
    }

    /// The operation, and the permission to do it.
    fn permitted(self, http: &Http, caller: &Caller) -> Result<(Permit, Operation), Problem> {
        let Self {
            method,
            path,
            query,
            body,
            precondition,
        } = self;
        let (name, id) = match router::find(Surface::Api, &path)? {
            Route::Collection { resource } => (resource, None),
            Route::Document { resource, id } => (resource, Some(id)),
            _ => {
                return Err(Problem::bad_request(
                    "malformed_operation",
                    "the path of an operation is that of a resource",
                ));
            }
        };
        let resource = http.dispatch.resource(name).ok_or_else(Problem::no_such_resource)?;
        let action = call::action(&method, id)
            .filter(|_| method != Method::HEAD)
            .ok_or_else(|| {
                let detail = "an operation is GET or POST of a collection, or GET, PUT, PATCH or DELETE of a document";
                Problem::bad_request("malformed_operation", detail)
            })?;
        let permit = authorize(caller, action, &resource.name, &resource.rules)?;
        if precondition.is_some() && !matches!(action, Action::Update | Action::Delete) {
            let detail = "`if_match` is for PUT, PATCH and DELETE";
            return Err(Problem::bad_request("malformed_operation", detail));
        }
        let takes_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        match &body {
            Some(Value::Object(_)) if takes_body => {}
            None if !takes_body => {}
            _ if takes_body => return Err(Problem::bad_request("not_an_object", "`body` must be an object")),
            _ => {
                return Err(Problem::bad_request(
                    "malformed_operation",
                    "this method takes no `body`",
                ));
            }
        }
        let body = body.unwrap_or_default();
        let operation = call::operation(
            &resource,
            Parts {
                method: &method,
                id,
                query: &query,
                precondition,
                body,
            },
        )?;
        Ok((permit, operation))
    }
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Problem> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad_request(
            "malformed_operation",
            format!("`{name}` must be a string"),
        )),
    }
}

fn read_if_match(tags: &str) -> Result<Option<Precondition>, Problem> {
    let value = HeaderValue::from_str(tags).map_err(|_| conditional::Malformed("if_match"))?;
    Ok(conditional::if_match(&HeaderMap::from_iter([(IF_MATCH, value)]))?)
}

/// `{"results": [{"status": 201, "location": ..., "etag": ..., "body": ...}]}`
fn results(replies: &[Reply], names: &[Arc<str>]) -> Vec<u8> {
    let mut out = b"{\"results\":[".to_vec();
    for (index, (reply, name)) in replies.iter().zip(names).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let status = match reply {
            Reply::Created(_) => StatusCode::CREATED,
            Reply::Deleted => StatusCode::NO_CONTENT,
            Reply::Page(_) | Reply::Document(_) => StatusCode::OK,
        };
        out.extend_from_slice(b"{\"status\":");
        out.extend_from_slice(status.as_str().as_bytes());
        match reply {
            Reply::Created(document) => {
                add_text(&mut out, "location", &respond::location(name, document));
                add_document(&mut out, document);
            }
            Reply::Document(document) => add_document(&mut out, document),
            Reply::Page(page) => {
                out.extend_from_slice(b",\"body\":");
                out.extend_from_slice(&render::page(page));
            }
            Reply::Deleted => {}
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn add_document(out: &mut Vec<u8>, document: &crate::capabilities::model::Document) {
    let tag = conditional::entity_tag(document.revision, Format::Json);
    add_text(out, "etag", tag.to_str().unwrap_or_default());
    out.extend_from_slice(b",\"body\":");
    render::write_document(out, document);
}

fn add_text(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(format!(",\"{name}\":{}", Value::from(text)).as_bytes());
}
