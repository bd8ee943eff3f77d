//! `/auth/{me,password,sessions,activity,receipt-key}`: what the owner of an account sees of it, and changes.

use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, SET_COOKIE};
use hyper::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Carrier, account, client, identity, list, of_new, parsed, recent, session};
use crate::accounts::{By, Event, MAX_EVENTS, Signed};
use crate::http::body::{self, Body};
use crate::http::paging::Paging;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, cookie, export, render, respond};
use crate::storage::audit::Actor;

/// What an archive of an export is called where it is saved.
const ARCHIVE: &str = "attachment; filename=\"account.zip\"";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    new: String,
}

/// `GET` and `DELETE /auth/me`; the latter erases the account.
pub(in crate::http) async fn me(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    if request.head.method == Method::DELETE {
        return erase(http, request).await;
    }
    let identity = identity(http, request).await?;
    respond::value(request.format, &account(&identity.account)).await
}

async fn erase(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let by = By {
        actor: Actor::Account(identity.account.id),
        client: client(request),
        as_operator: false,
    };
    let signed = http
        .accounts
        .erase_own(http.dispatch.catalogue(), &identity, &by)
        .await?;
    let mut response = respond::value(request.format, &receipt(&signed)).await?;
    if Carrier::of(http, request)? == Carrier::Cookie {
        response.headers_mut().insert(SET_COOKIE, cookie::clear());
    }
    Ok(response)
}

/// A receipt, as clients see it.
pub fn receipt(signed: &Signed) -> Value {
    let receipt = &signed.receipt;
    json!({
        "receipt": {
            "id": receipt.id,
            "account": receipt.account,
            "requested_at": render::time(receipt.requested_ms),
            "finished_at": render::time(receipt.finished_ms),
            "removed": receipt.removed,
            "outside": receipt.outside,
        },
        "jws": signed.jws,
    })
}

/// `GET /auth/receipt-key`
pub(in crate::http) async fn receipt_key(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    respond::value(request.format, &http.accounts.receipt_key()).await
}

/// `GET /auth/me/export`
pub(in crate::http) async fn export(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    http.accounts.require_recent_by_all(&identity).await?;
    let archive = export::archive(http, &identity.account).await?;
    let mut response = Response::new(body::streamed(archive));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(ARCHIVE));
    Ok(response)
}

/// `POST /auth/password`
pub(in crate::http) async fn password(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let NewPassword { new } = call::form(http, request, body).await?;
    let changed = http.accounts.change_password(&identity, &new, &client(request)).await;
    let login = changed.map_err(of_new)?;
    session(http, request, &login, Carrier::of(http, request)?).await
}

/// `GET` and `DELETE /auth/sessions`; the latter ends all but the one that asks.
pub(in crate::http) async fn sessions(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let (owner, current) = (identity.account.id, identity.session.id);
    if request.head.method == Method::DELETE {
        // Whoever has come by a session is not to end those of the owner (OWASP ASVS 5.0, 7.5.2).
        http.accounts.end_others(&identity).await?;
        return Ok(respond::no_content());
    }
    let sessions = http.accounts.sessions(owner).await?;
    respond::value(request.format, &list(&sessions, Some(current))).await
}

/// `DELETE /auth/sessions/{id}`
pub(in crate::http) async fn end_session(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let session = parsed(id, "session")?;
    http.accounts.end_own(&identity, session).await?;
    Ok(respond::no_content())
}

/// `GET /auth/activity`
pub(in crate::http) async fn activity(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let query = request.head.uri.query().unwrap_or_default();
    let Paging { behind, limit } = Paging::read(query, MAX_EVENTS, |_, _| Ok(false))?;
    let events = http.accounts.activity(identity.account.id, behind, limit).await?;
    // A full page may be followed by another.
    let next = events.last().filter(|_| events.len() == limit).map(|last| last.id);
    let items: Vec<Value> = events.iter().map(event).collect();
    respond::value(request.format, &json!({ "items": items, "next_cursor": next })).await
}

/// An event, as its owner sees it.
pub(in crate::http) fn event(event: &Event) -> Value {
    json!({
        "id": event.id,
        "at": render::time(event.at_ms),
        "act": event.act,
        "method": event.method,
        "success": event.is_success,
        "address": event.client.address,
        "user_agent": event.client.agent,
    })
}
