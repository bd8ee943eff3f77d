//! Problems (RFC 9457), and the one place where each refusal and failure gets its status and code.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json as json_value};

use super::body::{self, Body};
use super::media::Format;
use super::{conditional, idempotency, query, xml};
use crate::capabilities::json;
use crate::capabilities::model::{self, Violation};
use crate::dispatch::{Failure, Fault};
use crate::policy::Refusal;

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub(super) struct Problem(Box<Details>);

#[derive(Debug)]
struct Details {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
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
            header: None,
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
            "the body breaks rules of the resource",
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

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
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
            Format::Xml => ("application/problem+xml", xml::problem(&members)),
        };
        let mut response = Response::new(body::full(Bytes::from(text)));
        *response.status_mut() = self.0.status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response.headers_mut().extend(self.0.header);
        response
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problem(problem) => problem.into(),
            Failure::PreconditionFailed => {
                precondition_failed("the document is at another revision than If-Match names")
            }
            Failure::IndexRequired { index, being_built } => index_required(index, being_built),
            Failure::BadSelection { code, message } => Self::bad_request(code, message),
            Failure::TooLarge(reason) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_large",
                format!("this is too much for one request: {reason}"),
            ),
            Failure::TooManyRows(message) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_rows", message),
            Failure::Fault(fault) => fault.into(),
            Failure::Removed => Self::no_such_resource(),
            Failure::Overloaded { retry_after_s } => Self::unavailable(
                "overloaded",
                "too many requests are waiting for this plugin",
                retry_after_s,
            ),
            Failure::Contention => Self::unavailable(
                "contention",
                "other writers were faster until the deadline; nothing was written",
                1,
            ),
            Failure::StorageFull { limit_bytes } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                format!("the plugin's storage limit of {limit_bytes} bytes is reached; nothing was written"),
            ),
            Failure::KeptAnswersFull => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "idempotency_full",
                "no more answers are kept for this caller today: send it without Idempotency-Key; nothing was written",
            ),
            Failure::Unavailable => {
                Self::unavailable("unavailable", "the store is not available; nothing was written", 5)
            }
            Failure::OutcomeUnknown => Self::unavailable(
                "outcome_unknown",
                "whether the write was kept is not known; read before you repeat it",
                5,
            ),
            Failure::IdempotencyMismatch => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_mismatch",
                "the Idempotency-Key was used with another body",
            ),
            Failure::IdempotencyInFlight => Self::new(
                StatusCode::CONFLICT,
                "idempotency_in_flight",
                "a request with the same Idempotency-Key is being served",
            )
            .with(RETRY_AFTER, HeaderValue::from(1)),
        }
    }
}

impl From<model::Problem> for Problem {
    fn from(problem: model::Problem) -> Self {
        match problem {
            model::Problem::Invalid(errors) => Self::invalid(errors),
            model::Problem::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such document"),
            model::Problem::Conflict(detail) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            model::Problem::Forbidden(detail) => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            model::Problem::Unavailable(detail) => Self::unavailable("unavailable", detail, 1),
            model::Problem::Other(detail) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "plugin_error", detail),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (status, code, detail) = match fault {
            Fault::Trap => (StatusCode::BAD_GATEWAY, "plugin_trapped", "the plugin failed"),
            Fault::Deadline => (
                StatusCode::GATEWAY_TIMEOUT,
                "deadline_exceeded",
                "the plugin did not answer in time",
            ),
            Fault::Cpu => (
                StatusCode::GATEWAY_TIMEOUT,
                "cpu_exceeded",
                "the plugin used more CPU time than it may",
            ),
            Fault::Memory => (
                StatusCode::BAD_GATEWAY,
                "memory_exceeded",
                "the plugin asked for more memory than it may",
            ),
            Fault::Stack => (
                StatusCode::BAD_GATEWAY,
                "stack_exceeded",
                "the plugin overflowed its stack",
            ),
            Fault::Table => (
                StatusCode::BAD_GATEWAY,
                "table_exceeded",
                "the plugin asked for a larger table than it may",
            ),
            Fault::Output => (
                StatusCode::BAD_GATEWAY,
                "output_exceeded",
                "the plugin returned more than it may",
            ),
            Fault::HostCalls => (
                StatusCode::BAD_GATEWAY,
                "host_calls_exceeded",
                "the plugin called the host more often than it may",
            ),
            Fault::Denied => (
                StatusCode::BAD_GATEWAY,
                "plugin_denied",
                "the plugin asked for what its role may not do",
            ),
            Fault::Malformed => (
                StatusCode::BAD_GATEWAY,
                "plugin_malformed",
                "the plugin's answer makes no sense",
            ),
        };
        Self::new(status, code, format!("{detail}; nothing was written"))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unauthenticated => unauthenticated(detail, "Bearer"),
            Refusal::Forbidden => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
        }
    }
}

impl From<conditional::Malformed> for Problem {
    fn from(conditional::Malformed(name): conditional::Malformed) -> Self {
        Self::bad_request(
            "malformed_header",
            format!("{name} is not a list of quoted entity tags"),
        )
    }
}

impl From<idempotency::Malformed> for Problem {
    fn from(_: idempotency::Malformed) -> Self {
        let detail = "the Idempotency-Key must be 1 to 255 printable ASCII characters";
        Self::bad_request("malformed_header", detail)
    }
}

impl From<query::BadQuery> for Problem {
    fn from(query::BadQuery { code, message }: query::BadQuery) -> Self {
        Self::bad_request(code, message)
    }
}

impl From<json::JsonError> for Problem {
    fn from(error: json::JsonError) -> Self {
        Self::bad_request(
            "malformed_json",
            format!("the body is not JSON as it is taken here: {error}"),
        )
    }
}

impl From<xml::BadXml> for Problem {
    fn from(error: xml::BadXml) -> Self {
        Self::bad_request(
            "malformed_xml",
            format!("the body is not the XML of a JSON value: {error}"),
        )
    }
}

/// 401: what was presented is not valid.
pub(super) fn bad_credentials() -> Problem {
    unauthenticated(
        "the credentials are not valid".to_owned(),
        "Bearer error=\"invalid_token\"",
    )
}

fn unauthenticated(detail: String, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
        .with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
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
