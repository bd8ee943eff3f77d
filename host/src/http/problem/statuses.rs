//! What each refusal and failure is as an answer: its status, its stable code, and what the client may know.

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::{Problem, SECOND_FACTOR_REQUIRED, bad_credentials, index_required, precondition_failed, unauthenticated};
use crate::accounts;
use crate::capabilities::json;
use crate::capabilities::model;
use crate::dispatch::{Failure, Fault};
use crate::http::{conditional, idempotency, oidc, query, xml};
use crate::policy::Refusal;

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

impl From<accounts::Error> for Problem {
    fn from(error: accounts::Error) -> Self {
        let detail = error.to_string();
        match error {
            accounts::Error::BadCredentials | accounts::Error::OtherRegistration => {
                Self::new(StatusCode::UNAUTHORIZED, "bad_credentials", detail)
                    .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            accounts::Error::BadCode => Self::new(StatusCode::UNAUTHORIZED, "bad_code", detail)
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            accounts::Error::BadPasskey => Self::new(StatusCode::UNAUTHORIZED, "bad_passkey", detail)
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            accounts::Error::CeremonySpent => Self::new(StatusCode::GONE, "options_spent", detail),
            accounts::Error::PasskeysUnavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "passkeys_unavailable", detail)
            }
            accounts::Error::ChallengeSpent => Self::new(StatusCode::GONE, "challenge_spent", detail),
            accounts::Error::TooManyAttempts { retry_after_s } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail)
                    .with(RETRY_AFTER, HeaderValue::from(retry_after_s))
            }
            accounts::Error::Conflict(detail) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            accounts::Error::SessionEnded => bad_credentials(),
            accounts::Error::NoAdministrator => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            accounts::Error::NotRecent => Self::new(
                StatusCode::FORBIDDEN,
                "reauthentication_required",
                "prove again who you are: POST /auth/reauthenticate",
            ),
            accounts::Error::NotRecentBySecond => Self::new(StatusCode::FORBIDDEN, "reauthentication_required", detail),
            accounts::Error::SecondFactorRequired => Self::new(StatusCode::FORBIDDEN, SECOND_FACTOR_REQUIRED, detail),
            accounts::Error::RegistrationClosed => Self::new(StatusCode::FORBIDDEN, "registration_closed", detail),
            accounts::Error::LinkSpent => Self::new(StatusCode::GONE, "link_spent", detail),
            accounts::Error::Invalid(errors) => Self::invalid(errors),
            accounts::Error::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            accounts::Error::AddressTaken => Self::new(StatusCode::CONFLICT, "address_taken", detail),
            accounts::Error::FlowSpent => Self::bad_request("sign_in_spent", detail),
            accounts::Error::AddressUnverified => Self::new(StatusCode::FORBIDDEN, "address_unverified", detail),
            accounts::Error::LinkFirst => Self::new(StatusCode::CONFLICT, "link_required", detail),
            accounts::Error::IdentityTaken => Self::new(StatusCode::CONFLICT, "identity_taken", detail),
            accounts::Error::TooManyIdentities => Self::new(StatusCode::CONFLICT, "too_many_identities", detail),
            accounts::Error::LastWayIn => Self::new(StatusCode::CONFLICT, "last_way_in", detail),
            accounts::Error::Overloaded => Self::unavailable("overloaded", detail, 1),
            accounts::Error::Contention => Self::unavailable("contention", detail, 1),
            accounts::Error::Unavailable(_) | accounts::Error::Internal(_) | accounts::Error::OutcomeUnknown(_) => {
                tracing::error!(target: "accounts", %error, "an account could not be read or written");
                match error {
                    accounts::Error::Unavailable(_) => Failure::Unavailable.into(),
                    accounts::Error::OutcomeUnknown(_) => Failure::OutcomeUnknown.into(),
                    _ => Self::internal(),
                }
            }
        }
    }
}

impl From<oidc::Refused> for Problem {
    fn from(refused: oidc::Refused) -> Self {
        use oidc::Refused;
        let detail = refused.to_string();
        let (status, code) = match refused {
            Refused::NoSuchProvider => (StatusCode::NOT_FOUND, "not_found"),
            Refused::NoAnswer => (StatusCode::BAD_REQUEST, "malformed_answer"),
            Refused::NoLocalPath => (StatusCode::BAD_REQUEST, "malformed_return_to"),
            Refused::OtherIssuer => (StatusCode::BAD_REQUEST, "issuer_mismatch"),
            Refused::Denied => (StatusCode::FORBIDDEN, "provider_denied"),
            Refused::BadCode => (StatusCode::BAD_REQUEST, "code_refused"),
            Refused::Failed(_) => (StatusCode::BAD_GATEWAY, "provider_failed"),
            Refused::BadAnswer => (StatusCode::BAD_GATEWAY, "provider_malformed"),
            Refused::Unreachable => return Self::unavailable("provider_unavailable", detail, 5),
        };
        Self::new(status, code, detail)
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
