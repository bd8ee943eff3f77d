//! From what came of an operation to the answer.

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LINK, LOCATION};
use hyper::{Method, Response, StatusCode};
use serde_json::Value;

use super::body::{self, Body};
use super::media::Format;
use super::problem::{self, Problem};
use super::request::Request;
use super::{background, conditional, query, render, xml};
use crate::capabilities::json::print as printed;
use crate::capabilities::model::{Document, Page};
use crate::dispatch::Reply;

/// A longer text is not converted between other requests.
const MAX_INLINE_BYTES: usize = 64 << 10;

/// Says that the answer was given before, under the same idempotency key.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer to a single operation on a resource.
pub(super) async fn reply(
    request: &Request,
    resource: &str,
    reply: &Reply,
    replayed: bool,
) -> Result<Response<Body>, Problem> {
    let mut response = match reply {
        Reply::Page(page) => list(request, page).await?,
        Reply::Document(document) => one(request, document).await?,
        Reply::Created(document) => created(request, resource, document).await?,
        Reply::Deleted => no_content(),
    };
    if replayed {
        mark_replayed(&mut response);
    }
    Ok(response)
}

/// Marks an answer that was given before.
pub(super) fn mark_replayed(response: &mut Response<Body>) {
    response
        .headers_mut()
        .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
}

async fn one(request: &Request, document: &Document) -> Result<Response<Body>, Problem> {
    let tag = conditional::entity_tag(document.revision, request.format);
    if !matches!(request.head.method, Method::GET | Method::HEAD) {
        let mut response = json(request.format, render::document(document)).await?;
        response.headers_mut().insert(ETAG, tag);
        return Ok(response);
    }
    let headers = &request.head.headers;
    if conditional::if_match(headers)?.is_some_and(|wanted| !wanted.holds(document.revision)) {
        return Err(problem::precondition_failed(
            "the document is at another revision than If-Match names",
        ));
    }
    let unwanted = conditional::if_none_match(headers, request.format)?;
    let mut response = if unwanted
        .as_ref()
        .is_some_and(|unwanted| unwanted.holds(document.revision))
    {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(request.format, render::document(document)).await?
    };
    // A cache may keep it, but must ask each time whether it still holds.
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

async fn created(request: &Request, resource: &str, document: &Document) -> Result<Response<Body>, Problem> {
    let mut response = json(request.format, render::document(document)).await?;
    *response.status_mut() = StatusCode::CREATED;
    let tag = conditional::entity_tag(document.revision, request.format);
    response.headers_mut().insert(ETAG, tag);
    response
        .headers_mut()
        .insert(LOCATION, header(location(resource, document))?);
    Ok(response)
}

/// The path of a document.
pub(super) fn location(resource: &str, document: &Document) -> String {
    format!("/api/{resource}/{}", document.id)
}

async fn list(request: &Request, page: &Page) -> Result<Response<Body>, Problem> {
    let mut response = json(request.format, render::page(page)).await?;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(cursor) = &page.next {
        let uri = &request.head.uri;
        let next = query::with_cursor(uri.query().unwrap_or_default(), cursor);
        response
            .headers_mut()
            .insert(LINK, header(format!("<{}?{next}>; rel=\"next\"", uri.path()))?);
    }
    Ok(response)
}

/// 204.
pub(super) fn no_content() -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A JSON text in the format that the client asked for.
pub(super) async fn json(format: Format, text: Vec<u8>) -> Result<Response<Body>, Problem> {
    let (media_type, bytes) = match format {
        Format::Json => ("application/json", Bytes::from(text)),
        Format::Xml => ("application/xml; charset=utf-8", Bytes::from(xml_of(text).await?)),
    };
    let mut response = Response::new(body::full(bytes));
    response.headers_mut().reserve(12);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

/// A JSON value in the format that the client asked for.
pub(super) async fn value(format: Format, value: &Value) -> Result<Response<Body>, Problem> {
    json(format, printed(value).into_bytes()).await
}

/// The XML of a JSON text; a long one is made on a thread where that holds up nobody.
async fn xml_of(text: Vec<u8>) -> Result<String, Problem> {
    let length = text.len();
    let convert = move || serde_json::from_slice(&text).map(|value| xml::to_xml(&value));
    let converted = if length <= MAX_INLINE_BYTES {
        convert()
    } else {
        background::run(convert).await?
    };
    converted.map_err(|error| {
        tracing::error!(target: "http", %error, "a stored body is not JSON");
        Problem::internal()
    })
}

fn header(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::from_maybe_shared(Bytes::from(text)).map_err(|error| {
        tracing::error!(target: "http", %error, "an answer has a header that HTTP does not allow");
        Problem::internal()
    })
}
