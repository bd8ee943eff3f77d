//! `/admin/api/outbox`: what is still to be done in the outside world, and what could not be.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{by, operator};
use crate::dispatch::Failure;
use crate::http::body::Body;
use crate::http::paging::{Paging, bad};
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, render, respond};
use crate::storage::audit::Act;
use crate::storage::outbox::Entry;
use crate::storage::transaction::Ended;

/// What is said of a dead letter that is not there.
pub const NO_SUCH_LETTER: &str = "there is no such dead letter";
/// The most entries of an answer.
const MAX_ENTRIES: usize = 500;

/// `GET /admin/api/outbox?state=waiting|dead`: the first of them; dead letters come in pages.
pub(in crate::http) async fn list(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    let mut dead = false;
    let query = request.head.uri.query().unwrap_or_default();
    let Paging { behind, limit } = Paging::<Uuid>::read(query, MAX_ENTRIES, |name, value| {
        dead = match (name, value) {
            ("state", "dead") => true,
            ("state", "waiting") => false,
            ("state", _) => return Err(bad("`state` is `waiting` or `dead`".to_owned())),
            _ => return Ok(false),
        };
        Ok(true)
    })?;
    let entries = match (dead, behind) {
        (true, behind) => http.outbox.list_dead(behind, limit).await,
        (false, None) => http.outbox.list(false, limit).await,
        (false, Some(_)) => return Err(bad("only dead letters come in pages".to_owned())),
    };
    let entries = entries.map_err(failed)?;
    // A full page may be followed by another.
    let next = entries
        .last()
        .filter(|_| dead && entries.len() == limit)
        .map(|last| last.id);
    let items: Vec<Value> = entries.iter().map(described).collect();
    respond::value(request.format, &json!({ "items": items, "next_cursor": next })).await
}

/// `POST /admin/api/outbox/{id}/retry`
pub(in crate::http) async fn retry(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let (id, entry) = entry(http, request, "outbox.retry", id).await?;
    settled(http.outbox.retry(id, &entry).await)
}

/// `DELETE /admin/api/outbox/{id}`
pub(in crate::http) async fn drop(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let (id, entry) = entry(http, request, "outbox.drop", id).await?;
    settled(http.outbox.drop(id, &entry).await)
}

/// The letter that is meant, and the entry of the audit log, which is written with what it tells of. Who asks comes first: nobody
/// else is told what an id looks like.
async fn entry(http: &Http, request: &Request, act: &str, id: &str) -> Result<(Uuid, Act), Problem> {
    let by = by(http, request).await?;
    let id = parsed(id)?;
    let entry = http.accounts.act(&by, act, Some(id.to_string()), Value::Null);
    Ok((id, entry.await?))
}

fn settled(done: Result<bool, Ended>) -> Result<Response<Body>, Problem> {
    match done.map_err(failed)? {
        true => Ok(respond::no_content()),
        false => Err(no_such_letter()),
    }
}

fn parsed(id: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(id).map_err(|_| no_such_letter())
}

fn no_such_letter() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", NO_SUCH_LETTER)
}

fn failed(ended: Ended) -> Problem {
    tracing::error!(target: "outbox", %ended, "the outbox could not be read or written");
    match ended {
        Ended::Conflict(_) => Failure::Contention.into(),
        Ended::Unavailable(_) => Failure::Unavailable.into(),
        Ended::Unknown(_) => Failure::OutcomeUnknown.into(),
        Ended::Full(_) | Ended::TooLarge(_) | Ended::Duplicate(_) => Problem::internal(),
    }
}

/// An entry, as an operator sees it. What is in it may be for one person only, such as a link, so it is left out.
fn described(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "target": entry.target,
        "key": entry.key,
        // Which of the mails it is, for one.
        "about": entry.payload["about"],
        "created_at": render::time(entry.made_ms),
        "attempts": entry.attempts,
        "next_attempt_at": render::time(entry.due_ms),
        "reason": entry.reason,
    })
}
