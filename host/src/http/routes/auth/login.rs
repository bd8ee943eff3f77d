//! `/auth/login`, `/auth/logout` and `/auth/reauthenticate`: sessions begin, end, and are proved again.

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::SET_COOKIE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Carrier, client, identity, session};
use crate::accounts::{LoggedIn, Method, PasskeyAnswer, Proof};
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
    code: Option<String>,
    credential: Option<Value>,
    #[serde(default)]
    session: Carrier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proofs {
    password: Option<String>,
    method: Option<Method>,
    code: Option<String>,
    passkey: Option<Value>,
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
    let passkey = passkey(given.credential.as_ref(), "/credential")?;
    let proof = match (given.method, &given.code, &passkey) {
        (Method::Passkey, None, Some(answer)) => Proof::Passkey(answer),
        (Method::Passkey, ..) => return Err(misunderstood("give `credential` with the method `passkey`")),
        (method, Some(code), None) => Proof::Code(method, code),
        _ => return Err(misunderstood("give `code` with this method")),
    };
    let login = http.accounts.answer(&given.challenge, proof, &client(request)).await?;
    session(http, request, &login, given.session).await
}

fn passkey(given: Option<&Value>, pointer: &str) -> Result<Option<PasskeyAnswer>, Problem> {
    let answer = given.map(|given| PasskeyAnswer::read(given, pointer)).transpose();
    answer.map_err(Problem::from)
}

fn misunderstood(message: &str) -> Problem {
    Problem::invalid(vec![Violation {
        pointer: String::new(),
        message: message.to_owned(),
    }])
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
    let passkey = passkey(given.passkey.as_ref(), "/passkey")?;
    let proof = match (&given.password, &given.code, &passkey) {
        (Some(password), None, None) => Proof::Password(password),
        (None, Some(code), None) => Proof::Code(given.method.unwrap_or(Method::Totp), code),
        (None, None, Some(answer)) => Proof::Passkey(answer),
        _ => {
            return Err(misunderstood(
                "give either `password`, or `code` with its `method`, or `passkey`",
            ));
        }
    };
    let login = http.accounts.reauthenticate(&identity, proof, &client(request)).await?;
    session(http, request, &login, Carrier::of(http, request)?).await
}
