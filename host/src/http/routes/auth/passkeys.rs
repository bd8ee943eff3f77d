//! `/auth/passkeys`, `/auth/login/passkey` and `/auth/reauthenticate/options`: passkeys are added and removed, and asked for.
//! Options and answers are the JSON of WebAuthn: `PublicKeyCredential.parseRequestOptionsFromJSON()` and `toJSON()`.

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Carrier, client, identity, parsed, recent, renewed, session};
use crate::accounts::{NewPasskey, Passkey, PasskeyAnswer};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, render, respond};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: Option<String>,
    credential: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    challenge: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    challenge: String,
    credential: Value,
    #[serde(default)]
    session: Carrier,
}

/// `POST /auth/passkeys/options`
pub(in crate::http) async fn options(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let options = http.accounts.passkey_options(&identity).await?;
    respond::value(request.format, &options).await
}

/// `GET` and `POST /auth/passkeys`
pub(in crate::http) async fn passkeys(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    if request.head.method == Method::POST {
        return add(http, request, body).await;
    }
    let identity = identity(http, request).await?;
    let passkeys = http.accounts.passkeys(identity.account.id).await?;
    respond::value(request.format, &list(&passkeys)).await
}

async fn add(http: &Http, request: &Request, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let New { name, credential } = call::form(http, request, body).await?;
    let new = NewPasskey::read(name, &credential)?;
    let added = http.accounts.add_passkey(&identity, &new, &client(request)).await?;
    let mut answer = described(&added.passkey);
    if let Some(codes) = added.recovery_codes {
        answer["recovery_codes"] = codes.into();
    }
    let mut response = renewed(http, request, &added.login, answer).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `DELETE /auth/passkeys/{id}`
pub(in crate::http) async fn remove(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let id = parsed(id, "passkey")?;
    http.accounts.remove_passkey(&identity, id, &client(request)).await?;
    Ok(respond::no_content())
}

/// `POST /auth/login/passkey/options`: for any passkey, or for those of the account whose login waits for a second factor.
pub(in crate::http) async fn login_options(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let Asked { challenge } = call::form(http, request, body).await?;
    let (challenge, options) = match challenge {
        Some(challenge) => {
            let options = http.accounts.ask_passkey_as_second(&challenge).await?;
            (challenge, options)
        }
        None => {
            let (token, options) = http.accounts.ask_passkey()?;
            (token.reveal().to_owned(), options)
        }
    };
    let answer = json!({ "challenge": challenge, "options": options });
    respond::value(request.format, &answer).await
}

/// `POST /auth/login/passkey`
pub(in crate::http) async fn login(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let given: Answer = call::form(http, request, body).await?;
    let answer = PasskeyAnswer::read(&given.credential, "/credential")?;
    let login = http
        .accounts
        .login_passkey(&given.challenge, &answer, &client(request))
        .await?;
    session(http, request, &login, given.session).await
}

/// `POST /auth/reauthenticate/options`
pub(in crate::http) async fn reauthenticate_options(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let options = http.accounts.ask_passkey_again(&identity).await?;
    respond::value(request.format, &options).await
}

/// Passkeys, as their owner sees them.
pub(in crate::http) fn list(passkeys: &[Passkey]) -> Value {
    let items: Vec<Value> = passkeys.iter().map(described).collect();
    json!({ "items": items })
}

fn described(passkey: &Passkey) -> Value {
    json!({
        "id": passkey.id,
        "name": passkey.name,
        "created_at": render::time(passkey.made_ms),
        "last_used_at": passkey.used_ms.map(render::time),
    })
}
