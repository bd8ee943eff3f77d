//! Sending a batch to the host, and again what the host was too busy for.

use std::time::Duration;

use serde_json::Value;

use super::{Numbered, Refused};
use crate::cli::admin::Admin;
use crate::cli::failure::Failure;

/// How often a document is sent before "try again later" is taken for an answer.
const MAX_ATTEMPTS: u32 = 6;
/// Before the second attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const CREATED: u64 = 201;
/// The host was too busy; nothing is written.
const UNAVAILABLE: u64 = 503;

/// Sends the documents; returns those that the host refuses.
pub(super) async fn batch(admin: &Admin, resource: &str, documents: &[Numbered]) -> Result<Vec<Refused>, Failure> {
    let mut refused = Vec::new();
    let mut waiting: Vec<&Numbered> = documents.iter().collect();
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=MAX_ATTEMPTS {
        let answers = send(admin, resource, &waiting).await?;
        let mut again = Vec::new();
        for (numbered, answer) in waiting.into_iter().zip(&answers) {
            match answer["status"].as_u64() {
                Some(CREATED) => {}
                Some(UNAVAILABLE) if attempt < MAX_ATTEMPTS && is_unwritten(answer) => again.push(numbered),
                _ => refused.push(Refused {
                    line: numbered.line,
                    reason: reason(answer),
                }),
            }
        }
        if again.is_empty() {
            break;
        }
        waiting = again;
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Ok(refused)
}

async fn send(admin: &Admin, resource: &str, documents: &[&Numbered]) -> Result<Vec<Value>, Failure> {
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let first = documents[0].line;
    let bodies: Vec<&Value> = documents.iter().map(|numbered| &numbered.document).collect();
    let body = serde_json::to_vec(&bodies).map_err(|error| Failure::Failed(error.to_string()))?;
    let path = format!("/admin/api/import/{resource}");
    match admin.post_json(&path, body.into()).await {
        Ok(Value::Array(answers)) if answers.len() == documents.len() => Ok(answers),
        Ok(_) => Err(Failure::Failed(format!(
            "the host did not answer for each line from line {first} on; are host and command of the same version?"
        ))),
        Err(Failure::Failed(reason)) => Err(Failure::Failed(format!("stopped at line {first}: {reason}"))),
        Err(other) => Err(other),
    }
}

/// Whether a 503 says for sure that nothing was written.
fn is_unwritten(answer: &Value) -> bool {
    answer["problem"]["code"] != "outcome_unknown"
}

/// What the host says about a document.
fn reason(answer: &Value) -> String {
    let problem = &answer["problem"];
    let said = problem["detail"].as_str().or_else(|| problem["title"].as_str());
    let mut reason = format!("{} {}", answer["status"], said.unwrap_or("refused"));
    let violations = problem["errors"].as_array().into_iter().flatten();
    let places: Vec<String> = violations
        .map(|violation| {
            let text = |name: &str| violation[name].as_str().unwrap_or_default();
            format!("{} {}", text("pointer"), text("message")).trim().to_owned()
        })
        .collect();
    if !places.is_empty() {
        reason = format!("{reason}: {}", places.join("; "));
    }
    reason
}
