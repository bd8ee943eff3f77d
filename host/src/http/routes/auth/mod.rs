//! `/auth`: what somebody does with their own account.

pub(in crate::http) mod account;
pub(in crate::http) mod login;
pub(in crate::http) mod passkeys;
pub(in crate::http) mod registration;
pub(in crate::http) mod second_factor;
pub(in crate::http) mod tokens;

use hyper::header::{HeaderMap, HeaderValue, SET_COOKIE, USER_AGENT};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{Account, Client, Error, Identity, Login, Session};
use crate::http::body::Body;
use crate::http::identify::Credentials;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, cookie, identify, render, respond};

/// What is kept of the name that a client gives itself.
const MAX_AGENT_CHARACTERS: usize = 200;

/// Who asks.
pub(super) async fn identity(http: &Http, request: &Request) -> Result<Identity, Problem> {
    let credentials = identify::credentials(http, &request.head)?;
    let identity = http.identity.account(&credentials).await?;
    http.throttle.account(identity.account.id, &request.standings)?;
    Ok(identity)
}

/// Who asks, if they have proved a short while ago who they are. That is looked at before the body is: one who may not do
/// something is not told whether it could be done.
pub(super) async fn recent(http: &Http, request: &Request) -> Result<Identity, Problem> {
    let identity = identity(http, request).await?;
    http.accounts.require_recent(&identity)?;
    Ok(identity)
}

/// Why a password is refused that was sent as `new`: a violation is told where it was sent.
pub(super) fn of_new(error: Error) -> Problem {
    let Error::Invalid(mut violations) = error else {
        return error.into();
    };
    for violation in &mut violations {
        if violation.pointer == "/password" {
            violation.pointer = "/new".to_owned();
        }
    }
    Error::Invalid(violations).into()
}

/// Where a request comes from.
pub(in crate::http) fn client(request: &Request) -> Client {
    Client {
        address: Some(request.peer),
        agent: agent(&request.head.headers),
    }
}

/// What the client calls itself, in printable ASCII: nothing in it ends a line, or moves a cursor.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    let printable = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    Some(printable.take(MAX_AGENT_CHARACTERS).collect())
}

/// How the secret of a session goes to its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Carrier {
    /// In the answer.
    #[default]
    Bearer,
    /// In a cookie, which no script reads.
    Cookie,
}

impl Carrier {
    /// The way in which the secret came with a request.
    pub(super) fn of(http: &Http, request: &Request) -> Result<Self, Problem> {
        Ok(match identify::credentials(http, &request.head)? {
            Credentials::Cookie(_) => Self::Cookie,
            Credentials::Bearer(_) | Credentials::None => Self::Bearer,
        })
    }
}

/// A session with its secret, in the answer or in a cookie, never in both.
pub(super) async fn session(
    http: &Http,
    request: &Request,
    login: &Login,
    carrier: Carrier,
) -> Result<Response<Body>, Problem> {
    let answer = json!({
        "expires_at": render::time(login.session.ends_ms),
        "account": account(&login.account),
    });
    carried(http, request, login, carrier, answer).await
}

/// An answer to one whose session has another token from here on, which goes the way on which the one before came.
pub(super) async fn renewed(
    http: &Http,
    request: &Request,
    login: &Login,
    answer: Value,
) -> Result<Response<Body>, Problem> {
    carried(http, request, login, Carrier::of(http, request)?, answer).await
}

/// An answer with the secret of a session.
async fn carried(
    http: &Http,
    request: &Request,
    login: &Login,
    carrier: Carrier,
    mut answer: Value,
) -> Result<Response<Body>, Problem> {
    if carrier == Carrier::Bearer {
        answer["token"] = login.token.reveal().into();
    }
    let mut response = respond::value(request.format, &answer).await?;
    if carrier == Carrier::Cookie {
        response.headers_mut().insert(SET_COOKIE, session_cookie(http, login));
    }
    Ok(response)
}

/// The cookie of a session that begins.
pub(super) fn session_cookie(http: &Http, login: &Login) -> HeaderValue {
    let seconds = login.session.ends_ms.saturating_sub(http.clock.now_ms()) / 1000;
    cookie::set(login.token.reveal(), seconds)
}

/// 404 for what an account has by an id.
pub(super) fn no_such(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
}

/// An id of what an account has.
pub(super) fn parsed(id: &str, what: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(id).map_err(|_| no_such(what))
}

/// An account, as clients see it.
pub(in crate::http) fn account(account: &Account) -> Value {
    json!({
        "id": account.id,
        "email": account.address,
        "name": account.name,
        "roles": account.roles,
        "created_at": render::time(account.created_ms),
    })
}

/// Sessions, as clients see them.
pub(in crate::http) fn list(sessions: &[Session], current: Option<Uuid>) -> Value {
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
