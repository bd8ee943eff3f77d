//! `/auth/login`, `/auth/logout` and `/auth/reauthenticate`: sessions begin, end, and are proved again.

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::json;

use super::{Carrier, client, identity, session};
use crate::accounts::{LoggedIn, Method, Proof};
use crate::capabilities::model::Violation;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, cookie, respond};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    session: Carrier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    challenge: String,
    method: Method,
    code: String,
    #[serde(default)]
    session: Carrier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proofs {
    password: Option<String>,
    method: Option<Method>,
    code: Option<String>,
}

/// `POST /auth/login`
pub(in crate::http) async fn login(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let given: Credentials = call::form(http, request, body).await?;
    let client = client(request);
    let passed = http.accounts.login(&given.email, &given.password, &client).await?;
    passed_on(http, request, &passed, given.session).await
}

/// A session, or the question for a second factor.
pub(in crate::http::routes) async fn passed_on(
    http: &Http,
    request: &Request,
    passed: &LoggedIn,
    carrier: Carrier,
) -> Result<Response<Body>, Problem> {
    match passed {
        LoggedIn::Session(login) => session(http, request, login, carrier).await,
        LoggedIn::SecondFactor(challenge) => {
            let asked = json!({ "challenge": challenge.token.reveal(), "methods": challenge.methods });
            respond::value(request.format, &json!({ "second_factor": asked })).await
        }
    }
}

/// `POST /auth/login/verify`
pub(in crate::http) async fn verify(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let given: Answer = call::form(http, request, body).await?;
    let login = http
        .accounts
        .answer(&given.challenge, given.method, &given.code, &client(request))
        .await?;
    session(http, request, &login, given.session).await
}

/// `POST /auth/logout`
pub(in crate::http) async fn logout(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let ended = http.accounts.end_session(identity.account.id, identity.session.id);
    ended.await?;
    let mut response = respond::no_content();
    if Carrier::of(http, request)? == Carrier::Cookie {
        response.headers_mut().insert(SET_COOKIE, cookie::clear());
    }
    Ok(response)
}

/// `POST /auth/reauthenticate`
pub(in crate::http) async fn reauthenticate(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let identity = identity(http, request).await?;
    let given: Proofs = call::form(http, request, body).await?;
    let proof = match (&given.password, &given.code) {
        (Some(password), None) => Proof::Password(password),
        (None, Some(code)) => Proof::Code(given.method.unwrap_or(Method::Totp), code),
        _ => {
            let message = "give either `password`, or `code` with its `method`".to_owned();
            let pointer = String::new();
            return Err(Problem::invalid(vec![Violation { pointer, message }]));
        }
    };
    let login = http.accounts.reauthenticate(&identity, proof, &client(request)).await?;
    session(http, request, &login, Carrier::of(http, request)?).await
}
