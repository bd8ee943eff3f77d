//! Tests of the problems.

use http_body_util::BodyExt;
use serde_json::Value;

use super::*;
use crate::capabilities::model;
use crate::dispatch::{Failure, Fault};

fn problem(failure: impl Into<Problem>) -> Problem {
    failure.into()
}

fn id() -> HeaderValue {
    HeaderValue::from_static("r-1")
}

#[test]
fn every_failure_has_its_status_and_code() {
    let conflict = model::Problem::Conflict("sold out".into());
    let expected = [
        (Failure::Problem(model::Problem::NotFound), 404, "not_found"),
        (Failure::Problem(conflict), 409, "conflict"),
        (
            Failure::Problem(model::Problem::Forbidden("no".into())),
            403,
            "forbidden",
        ),
        (
            Failure::Problem(model::Problem::Unavailable("later".into())),
            503,
            "unavailable",
        ),
        (
            Failure::Problem(model::Problem::Other("odd".into())),
            500,
            "plugin_error",
        ),
        (Failure::Problem(model::Problem::Invalid(Vec::new())), 422, "invalid"),
        (Failure::PreconditionFailed, 412, "precondition_failed"),
        (
            Failure::IndexRequired {
                being_built: false,
                index: vec!["-a".into()],
            },
            422,
            "index_required",
        ),
        (
            Failure::BadSelection {
                code: "bad_cursor",
                message: String::new(),
            },
            400,
            "bad_cursor",
        ),
        (Failure::TooLarge(String::new()), 422, "too_large"),
        (Failure::TooManyRows(String::new()), 422, "too_many_rows"),
        (Failure::KeptAnswersFull, 507, "idempotency_full"),
        (Failure::Overloaded { retry_after_s: 2 }, 503, "overloaded"),
        (Failure::Contention, 503, "contention"),
        (Failure::StorageFull { limit_bytes: 1 }, 507, "storage_full"),
        (Failure::Unavailable, 503, "unavailable"),
        (Failure::OutcomeUnknown, 503, "outcome_unknown"),
        (Failure::IdempotencyMismatch, 422, "idempotency_mismatch"),
        (Failure::IdempotencyInFlight, 409, "idempotency_in_flight"),
        (Failure::Fault(Fault::Trap), 502, "plugin_trapped"),
        (Failure::Fault(Fault::Deadline), 504, "deadline_exceeded"),
        (Failure::Fault(Fault::Cpu), 504, "cpu_exceeded"),
        (Failure::Fault(Fault::Memory), 502, "memory_exceeded"),
    ];
    for (failure, status, code) in expected {
        let problem = problem(failure);
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
    }
}

#[test]
fn whoever_may_try_again_is_told_when() {
    let failures = [
        Failure::Overloaded { retry_after_s: 2 },
        Failure::Contention,
        Failure::Unavailable,
        Failure::OutcomeUnknown,
        Failure::IdempotencyInFlight,
    ];
    for failure in failures {
        let response = problem(failure).into_response(Format::Json, &id());
        assert!(response.headers().contains_key(RETRY_AFTER));
    }
}

#[tokio::test]
async fn a_problem_is_rendered_in_both_formats() {
    let violation = Violation {
        pointer: "/sku".into(),
        message: "is missing".into(),
    };
    let json = Problem::invalid(vec![violation.clone()]).into_response(Format::Json, &id());
    assert_eq!(json.headers()[CONTENT_TYPE], "application/problem+json");
    let body = json.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body["errors"],
        json_value!([{"pointer": "/sku", "message": "is missing"}])
    );
    assert_eq!(
        (&body["status"], &body["request_id"]),
        (&json_value!(422), &json_value!("r-1"))
    );

    let xml = Problem::invalid(vec![violation]).into_response(Format::Xml, &id());
    assert_eq!(xml.headers()[CONTENT_TYPE], "application/problem+xml; charset=utf-8");
    let body = xml.into_body().collect().await.unwrap().to_bytes();
    assert!(body.windows(31).any(|part| part == b"<i><pointer>/sku</pointer><mess"));
}

#[test]
fn the_index_to_declare_is_named() {
    let members = problem(Failure::IndexRequired {
        being_built: false,
        index: vec!["category".into(), "-price".into()],
    })
    .to_json(&id());
    assert_eq!(members["index"], json_value!(["category", "-price"]));
    assert!(
        members["detail"]
            .as_str()
            .unwrap()
            .contains("indexes = [[\"category\",\"-price\"]]")
    );
}

#[test]
fn a_problem_of_a_batch_says_which_operation_it_is_about() {
    let violation = Violation {
        pointer: "/sku".into(),
        message: "is missing".into(),
    };
    let members = Problem::invalid(vec![violation]).of_operation(3).to_json(&id());
    assert_eq!(members["operation"], 3);
    assert_eq!(members["errors"][0]["pointer"], "/operations/3/body/sku");
}
