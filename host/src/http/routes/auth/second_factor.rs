//! `/auth/totp` and `/auth/recovery-codes`: codes beside the password.

use hyper::body::Incoming;
use hyper::{Method, Response};
use serde::Deserialize;
use serde_json::json;

use super::{client, recent, renewed};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, respond};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstCode {
    code: String,
}

/// `POST` and `DELETE /auth/totp`
pub(in crate::http) async fn totp(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    if request.head.method == Method::DELETE {
        http.accounts.remove_totp(&identity, &client(request)).await?;
        return Ok(respond::no_content());
    }
    let offer = http.accounts.offer_totp(&identity).await?;
    let answer = json!({ "secret": offer.secret, "otpauth_url": offer.url, "qr_svg": offer.picture });
    respond::value(request.format, &answer).await
}

/// `POST /auth/totp/confirm`
pub(in crate::http) async fn confirm(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let FirstCode { code } = call::form(http, request, body).await?;
    let confirmed = http.accounts.confirm_totp(&identity, &code, &client(request)).await;
    let (codes, login) = confirmed?;
    renewed(http, request, &login, json!({ "recovery_codes": codes })).await
}

/// `POST /auth/recovery-codes`
pub(in crate::http) async fn recovery_codes(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = recent(http, request).await?;
    let codes = http.accounts.renew_recovery(&identity, &client(request)).await?;
    respond::value(request.format, &json!({ "recovery_codes": codes })).await
}
