//! From a request to an operation on a resource: the same for a single request and for a part of a batch.

use std::sync::Arc;

use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{ACCEPT_LANGUAGE, IF_MATCH, IF_NONE_MATCH};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::media::{self, Content, Format};
use super::problem::{self, Problem};
use super::request::Request;
use super::{Http, body, conditional, idempotency, query, xml};
use crate::capabilities::catalogue::RESERVED_FIELDS;
use crate::capabilities::json;
use crate::capabilities::model::Violation;
use crate::capabilities::request::RequestInfo;
use crate::dispatch::{IdempotencyKey, Operation, Precondition, Resource};
use crate::manifest::Action;
use crate::policy::Caller;

/// The longest language tag that is passed on.
const MAX_LANGUAGE_BYTES: usize = 35;

/// What a method does with a collection, or with the document of that id.
pub(super) fn action(method: &Method, id: Option<&str>) -> Option<Action> {
    match (method.as_str(), id) {
        ("GET" | "HEAD", None) => Some(Action::List),
        ("GET" | "HEAD", Some(_)) => Some(Action::Read),
        ("POST", None) => Some(Action::Create),
        ("PUT" | "PATCH", Some(_)) => Some(Action::Update),
        ("DELETE", Some(_)) => Some(Action::Delete),
        _ => None,
    }
}

/// The parts of a request that make an operation.
pub(super) struct Parts<'r> {
    pub(super) method: &'r Method,
    pub(super) id: Option<&'r str>,
    pub(super) query: &'r str,
    pub(super) precondition: Option<Precondition>,
    pub(super) body: Value,
}

/// The operation that the parts stand for; the method must be one that `action` knows.
pub(super) fn operation(resource: &Resource, parts: Parts<'_>) -> Result<Operation, Problem> {
    let Parts {
        method,
        id,
        query,
        precondition,
        body,
    } = parts;
    let id = || id.unwrap_or_default().to_owned();
    Ok(match action(method, parts.id) {
        Some(Action::List) => Operation::List(query::parse(query, |field| resource.collection.field_kind(field))?),
        Some(Action::Read) => Operation::Read { id: id() },
        Some(Action::Create) => create(body)?,
        Some(Action::Update) if method == Method::PUT => Operation::Replace {
            id: id(),
            body: Arc::new(without_host_fields(body)),
            precondition,
        },
        Some(Action::Update) => Operation::Patch {
            id: id(),
            patch: without_host_fields(body),
            precondition,
        },
        Some(Action::Delete) => Operation::Delete { id: id(), precondition },
        None => return Err(Problem::no_such_path()),
    })
}

/// The operation that makes a document. A client that sets what only the host can set is told so.
pub(super) fn create(body: Value) -> Result<Operation, Problem> {
    let set = RESERVED_FIELDS.iter().filter(|field| body.get(field).is_some());
    let errors: Vec<_> = set
        .map(|field| Violation {
            pointer: format!("/{field}"),
            message: "the host sets this field".to_owned(),
        })
        .collect();
    if errors.is_empty() {
        Ok(Operation::Create { body: Arc::new(body) })
    } else {
        Err(Problem::invalid(errors))
    }
}

/// A document may be sent back as it was read: what the host added is dropped.
fn without_host_fields(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !RESERVED_FIELDS.contains(&name.as_str()));
    }
    body
}

/// The operation of a request and the key under which its answer is kept, if it has one.
pub(super) async fn read(
    http: &Http,
    resource: &Resource,
    caller: &Caller,
    id: Option<&str>,
    request: &Request,
    incoming: &mut Incoming,
) -> Result<(Operation, Option<IdempotencyKey>), Problem> {
    let head = &request.head;
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let precondition = if is_read || id.is_none() {
        None
    } else {
        conditional::if_match(&head.headers)?
    };
    if !is_read && head.headers.contains_key(IF_NONE_MATCH) {
        return Err(problem::unsupported_condition(IF_NONE_MATCH, "on GET and HEAD"));
    }
    if id.is_none() && head.headers.contains_key(IF_MATCH) {
        return Err(problem::unsupported_condition(IF_MATCH, "for a single document"));
    }
    let (body, key) = if is_read || head.method == Method::DELETE {
        (Value::Null, None)
    } else {
        let (bytes, body) = object(http, request, incoming).await?;
        (body, idempotency_key(caller, request, &bytes)?)
    };
    let query = head.uri.query().unwrap_or_default();
    let operation = operation(
        resource,
        Parts {
            method: &head.method,
            id,
            query,
            precondition,
            body,
        },
    )?;
    Ok((operation, key))
}

/// The body of a request as it came, and as the JSON object that it stands for.
pub(super) async fn object(
    http: &Http,
    request: &Request,
    incoming: &mut Incoming,
) -> Result<(bytes::Bytes, Value), Problem> {
    let head = &request.head;
    let format = match (media::content(&head.headers), &head.method) {
        (Some(Content::Document(Format::Xml)), _) => Format::Xml,
        (Some(Content::MergePatch), &Method::PATCH) => Format::Json,
        (Some(Content::Document(Format::Json)), method) if method != Method::PATCH => Format::Json,
        (_, &Method::PATCH) => return Err(Problem::unsupported_patch()),
        _ => return Err(Problem::unsupported_media_type()),
    };
    let bytes = body::read(&head.headers, incoming, http.body_limits()).await?;
    let value = match format {
        Format::Json => json::parse(&bytes)?,
        Format::Xml => xml::from_xml(&bytes)?,
    };
    if !value.is_object() {
        return Err(Problem::bad_request("not_an_object", "the body must be an object"));
    }
    Ok((bytes, value))
}

/// The body of a request that has the members of `T` and no others.
pub(super) async fn form<T: DeserializeOwned>(
    http: &Http,
    request: &Request,
    incoming: &mut Incoming,
) -> Result<T, Problem> {
    let (_, body) = object(http, request, incoming).await?;
    serde_json::from_value(body).map_err(|error| {
        Problem::invalid(vec![Violation {
            pointer: String::new(),
            message: error.to_string(),
        }])
    })
}

/// The key of a repeatable request, within its caller, method and path.
pub(super) fn idempotency_key(
    caller: &Caller,
    request: &Request,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
    let head = &request.head;
    let key = idempotency::key(&head.method, &head.headers)?;
    Ok(key.map(|key| IdempotencyKey {
        name: idempotency::name(caller, &head.method, head.uri.path(), body, key),
        fingerprint: idempotency::fingerprint(body),
    }))
}

/// The language that a client prefers: `de-AT` of `de-AT, en;q=0.5`.
fn first_language(list: &str) -> Option<String> {
    let first = list.split([',', ';']).next()?.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!first.is_empty() && first.len() <= MAX_LANGUAGE_BYTES && first.bytes().all(plain)).then(|| first.to_owned())
}

/// What plugins may know about the request.
pub(super) fn info(http: &Http, request: &Request) -> RequestInfo {
    let headers = &request.head.headers;
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    RequestInfo {
        id: request.id.to_str().unwrap_or_default().to_owned(),
        locale: text(ACCEPT_LANGUAGE.as_str())
            .and_then(|list| first_language(&list))
            .unwrap_or_else(|| "en".to_owned()),
        headers: http
            .dispatch
            .request_headers()
            .iter()
            .filter_map(|name| Some((name.clone(), text(name)?)))
            .collect(),
    }
}
