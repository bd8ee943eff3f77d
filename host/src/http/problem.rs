//! Problems (RFC 9457). `problem/statuses.rs` is the one place where each refusal and failure gets its status and code.

mod statuses;

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json as json_value};

use super::body::{self, Body};
use super::media::Format;
use super::{cookie, xml};
use crate::capabilities::model::Violation;

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub(super) struct Problem(Box<Details>);

#[derive(Debug)]
struct Details {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    errors: Vec<Violation>,
    /// Members beyond those that every problem has.
    more: Map<String, Value>,
}

impl Problem {
    /// A problem with a stable code for programs and a sentence for people.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Details {
            status,
            code,
            detail: detail.into(),
            headers: Vec::new(),
            errors: Vec::new(),
            more: Map::new(),
        }))
    }

    /// 400: the request is not well-formed.
    pub(super) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422, with what is wrong where.
    pub(super) fn invalid(errors: Vec<Violation>) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "the body breaks rules: `errors` says which, and where",
        );
        problem.0.errors = errors;
        problem
    }

    /// 404: the path leads nowhere.
    pub(super) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "nothing is served under this path")
    }

    /// 404: no plugin serves such a resource.
    pub(super) fn no_such_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such resource")
    }

    /// 405, with the methods that there are.
    pub(super) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this path serves {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            .with(ALLOW, HeaderValue::from_static(allow))
    }

    /// 406: the client takes none of the formats.
    pub(super) fn not_acceptable() -> Self {
        let detail = "answers are application/json or application/xml";
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    }

    /// 415, with what is understood.
    pub(super) fn unsupported_media_type() -> Self {
        let detail = "the Content-Type must be application/json or application/xml, in UTF-8";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
            .with(ACCEPT, HeaderValue::from_static("application/json, application/xml"))
    }

    /// 415 for a PATCH.
    pub(super) fn unsupported_patch() -> Self {
        let understood = "application/merge-patch+json or application/xml";
        let detail = format!("the Content-Type of a PATCH must be {understood}, in UTF-8");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).with(
            ACCEPT_PATCH,
            HeaderValue::from_static("application/merge-patch+json, application/xml"),
        )
    }

    /// 413: the body is too large.
    pub(super) fn too_large(limit_bytes: usize) -> Self {
        let detail = format!("a body has at most {limit_bytes} bytes here");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// 500: a defect of the host; what it was is in the log.
    pub(super) fn internal() -> Self {
        let detail = "the host failed; the log has the reason under the request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// 503: try again in a while.
    pub(super) fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, retry_after_s: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with(RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// 429: less often.
    pub(super) fn too_many_requests(retry_after_s: u32) -> Self {
        let detail = "this is asked for too often by your network or account; Retry-After says when to ask again";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
            .with(RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The problem of one operation of a batch.
    pub(super) fn of_operation(mut self, index: usize) -> Self {
        for violation in &mut self.0.errors {
            violation.pointer.insert_str(0, &format!("/operations/{index}/body"));
        }
        self.0.more.insert("operation".to_owned(), Value::from(index));
        self
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What it is, as a sentence for people.
    pub(super) fn sentence(&self) -> String {
        sentence(&self.0.detail)
    }

    /// The stable name of the problem.
    pub(super) fn code(&self) -> &'static str {
        self.0.code
    }

    /// The problem as a JSON object.
    pub(super) fn to_json(&self, request_id: &HeaderValue) -> Map<String, Value> {
        let details = &self.0;
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("type", Value::from("about:blank"));
        add("title", Value::from(details.status.canonical_reason()));
        add("status", Value::from(details.status.as_u16()));
        add("detail", Value::from(&*details.detail));
        add("code", Value::from(details.code));
        add("request_id", Value::from(request_id.to_str().ok()));
        if !details.errors.is_empty() {
            let errors = details.errors.iter();
            let errors = errors.map(|error| json_value!({"pointer": error.pointer, "message": error.message}));
            add("errors", errors.collect());
        }
        for (name, value) in &details.more {
            add(name, value.clone());
        }
        members
    }

    /// The problem as an answer.
    pub(super) fn into_response(self, format: Format, request_id: &HeaderValue) -> Response<Body> {
        let members = self.to_json(request_id);
        let (media_type, text) = match format {
            Format::Json => ("application/problem+json", Value::Object(members).to_string()),
            Format::Xml => ("application/problem+xml; charset=utf-8", xml::problem(&members)),
        };
        let mut response = Response::new(body::full(Bytes::from(text)));
        *response.status_mut() = self.0.status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response.headers_mut().extend(self.0.headers);
        response
    }
}

/// The code of what an account is refused that must use a second factor.
pub(super) const SECOND_FACTOR_REQUIRED: &str = "second_factor_required";

/// 401: what was presented is not valid.
pub(super) fn bad_credentials() -> Problem {
    unauthenticated(
        "the credentials are not valid".to_owned(),
        "Bearer error=\"invalid_token\"",
    )
}

/// The same of a browser's cookie, which it is to forget: it would be refused what anybody may, as long as it had it.
pub(super) fn ended_cookie() -> Problem {
    bad_credentials().with(SET_COOKIE, cookie::clear())
}

fn unauthenticated(detail: String, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// What is written for a list, as a sentence for people.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).chain(['.']).collect()
}

/// 412: a condition does not hold.
pub(super) fn precondition_failed(detail: &'static str) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
}

/// 400: a condition that makes no sense here is not ignored, which would do what the client asked not to do.
pub(super) fn unsupported_condition(condition: HeaderName, place: &str) -> Problem {
    let detail = format!("{condition} is understood {place} only");
    Problem::bad_request("unsupported_condition", detail)
}

fn index_required(index: Vec<String>, being_built: bool) -> Problem {
    let line = Value::from(vec![Value::from(index.clone())]);
    let detail = if being_built {
        format!("this filter or sort needs the index {line}, which is being built: try again soon")
    } else {
        format!("this filter or sort would examine too many documents; declare `indexes = {line}` for the resource")
    };
    let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "index_required", detail);
    problem.0.more.insert("index".to_owned(), Value::from(index));
    problem
}

#[cfg(test)]
#[path = "problem_tests.rs"]
mod tests;
