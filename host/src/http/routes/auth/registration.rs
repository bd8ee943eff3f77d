//! `/auth/register`, `/auth/email` and `/auth/password/{forgot,reset}`: what somebody does who has no session.

use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{account, client, of_new};
use crate::accounts::Confirmation;
use crate::capabilities::model::Violation;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, respond};

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
struct Confirmed {
    token: String,
    password: Option<String>,
    new: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    token: String,
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
    let Confirmed { token, password, new } = call::form(http, request, body).await?;
    let by = match (&password, &new) {
        (Some(password), None) => Confirmation::Registered(password),
        (None, Some(new)) => Confirmation::Own(new),
        _ => {
            return Err(Problem::invalid(vec![Violation {
                pointer: String::new(),
                message: "exactly one of `password` and `new` must be given".to_owned(),
            }]));
        }
    };
    let confirmed = http.accounts.confirm(&token, by, &client(request)).await;
    let made = confirmed.map_err(of_new)?;
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
    let reset = http.accounts.reset(&token, &new, &client(request)).await;
    reset.map_err(of_new)?;
    Ok(respond::no_content())
}
