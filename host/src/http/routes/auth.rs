//! `/auth`: what somebody does with their own account.

use hyper::body::Incoming;
use hyper::header::{HeaderMap, USER_AGENT};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{Account, Client, Identity, Session};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, identify, render, respond};

/// What is kept of the name that a client gives itself.
const MAX_AGENT_CHARACTERS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: String,
    password: String,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    token: String,
    new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    new: String,
}

/// `POST /auth/register`
pub(in crate::http) async fn register(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let Registration { email, password, name } = call::form(http, request, body).await?;
    let address = http.accounts.register(&email, &password, name).await?;
    // There is no account yet, nor is it told whether there was one.
    let answer = json!({ "email": address, "verified": false });
    let mut response = respond::value(request.format, &answer).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `POST /auth/email/verify`
pub(in crate::http) async fn verify(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let Token { token } = call::form(http, request, body).await?;
    let made = http.accounts.confirm(&token).await?;
    respond::value(request.format, &account(&made)).await
}

/// `POST /auth/password/forgot`
pub(in crate::http) async fn forgot(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let Forgotten { email } = call::form(http, request, body).await?;
    http.accounts.forgot(&email).await?;
    Ok(respond::no_content())
}

/// `POST /auth/password/reset`
pub(in crate::http) async fn reset(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let Reset { token, new } = call::form(http, request, body).await?;
    http.accounts.reset(&token, &new).await?;
    Ok(respond::no_content())
}

/// `POST /auth/login`
pub(in crate::http) async fn login(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let Credentials { email, password } = call::form(http, request, body).await?;
    let login = http.accounts.login(&email, &password, &client(request)).await?;
    let answer = json!({
        "token": login.token.reveal(),
        "expires_at": render::time(login.session.ends_ms),
        "account": account(&login.account),
    });
    respond::value(request.format, &answer).await
}

/// `POST /auth/logout`
pub(in crate::http) async fn logout(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let ended = http.accounts.end_session(identity.account.id, identity.session.id);
    ended.await?;
    Ok(respond::no_content())
}

/// `POST /auth/reauthenticate`
pub(in crate::http) async fn reauthenticate(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let Proof { password } = call::form(http, request, body).await?;
    http.accounts.reauthenticate(&identity, &password).await?;
    Ok(respond::no_content())
}

/// `GET /auth/me`
pub(in crate::http) async fn me(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    respond::value(request.format, &account(&identity.account)).await
}

/// `POST /auth/password`
pub(in crate::http) async fn password(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    // Before the body is looked at: one who may not do this is not told whether a password would do.
    http.accounts.require_recent(&identity)?;
    let NewPassword { new } = call::form(http, request, body).await?;
    http.accounts.change_password(&identity, &new).await?;
    Ok(respond::no_content())
}

/// `GET` and `DELETE /auth/sessions`; the latter ends all but the one that asks.
pub(in crate::http) async fn sessions(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let (owner, current) = (identity.account.id, identity.session.id);
    if request.head.method == hyper::Method::DELETE {
        http.accounts.end_sessions(owner, Some(current)).await?;
        return Ok(respond::no_content());
    }
    let sessions = http.accounts.sessions(owner).await?;
    respond::value(request.format, &list(&sessions, Some(current))).await
}

/// `DELETE /auth/sessions/{id}`
pub(in crate::http) async fn end_session(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let session = Uuid::try_parse(id).map_err(|_| no_such_session())?;
    http.accounts.end_session(identity.account.id, session).await?;
    Ok(respond::no_content())
}

fn no_such_session() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such session")
}

/// Who asks.
async fn identity(http: &Http, request: &Request) -> Result<Identity, Problem> {
    let credentials = identify::credentials(&request.head.headers)?;
    let identity = http.identity.account(&credentials).await?;
    http.throttle.account(identity.account.id, &request.standings)?;
    Ok(identity)
}

/// Where a request comes from.
fn client(request: &Request) -> Client {
    Client {
        address: Some(request.peer),
        agent: agent(&request.head.headers),
    }
}

/// What the client calls itself. Only printable ASCII comes through a header as text, so nothing in it ends a line.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(MAX_AGENT_CHARACTERS).collect())
}

/// An account, as clients see it.
pub(super) fn account(account: &Account) -> Value {
    json!({
        "id": account.id,
        "email": account.address,
        "name": account.name,
        "roles": account.roles,
        "created_at": render::time(account.created_ms),
    })
}

/// Sessions, as clients see them.
pub(super) fn list(sessions: &[Session], current: Option<Uuid>) -> Value {
    let items: Vec<Value> = sessions
        .iter()
        .map(|session| {
            json!({
                "id": session.id,
                "created_at": render::time(session.made_ms),
                "last_seen_at": render::time(session.seen_ms),
                "expires_at": render::time(session.ends_ms),
                "address": session.client.address,
                "user_agent": session.client.agent,
                "current": Some(session.id) == current,
            })
        })
        .collect();
    json!({ "items": items })
}
