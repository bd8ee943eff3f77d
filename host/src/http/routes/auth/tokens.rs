//! `/auth/tokens`: tokens for programs.

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{client, identity, parsed, recent};
use crate::accounts::{ApiToken, NewToken};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, render, respond};

/// How long a token lasts where nothing is said.
const DAYS: u32 = 90;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    scopes: Vec<String>,
    expires_in_days: Option<u32>,
}

/// `GET` and `POST /auth/tokens`
pub(in crate::http) async fn tokens(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    if request.head.method == Method::POST {
        return make(http, request, body).await;
    }
    let identity = identity(http, request).await?;
    let tokens = http.accounts.tokens(identity.account.id).await?;
    let items: Vec<Value> = tokens.iter().map(described).collect();
    respond::value(request.format, &json!({ "items": items })).await
}

async fn make(http: &Http, request: &Request, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let new: New = call::form(http, request, body).await?;
    let new = NewToken {
        name: new.name,
        scopes: new.scopes,
        days: new.expires_in_days.unwrap_or(DAYS),
    };
    let (made, token) = http.accounts.make_token(&identity, &new, &client(request)).await?;
    let mut answer = described(&made);
    answer["token"] = token.reveal().into();
    let mut response = respond::value(request.format, &answer).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `DELETE /auth/tokens/{id}`
pub(in crate::http) async fn end(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let token = parsed(id, "token")?;
    http.accounts
        .end_token(identity.account.id, token, &client(request))
        .await?;
    Ok(respond::no_content())
}

/// A token, as its owner sees it.
pub(in crate::http) fn described(token: &ApiToken) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes,
        "created_at": render::time(token.made_ms),
        "last_used_at": token.seen_ms.map(render::time),
        "expires_at": render::time(token.ends_ms),
    })
}
