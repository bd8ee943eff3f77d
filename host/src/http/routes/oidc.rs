//! `/auth/oidc` and `/auth/identities`: signing in with a provider, and what an account is linked to. A browser goes to the
//! provider and comes back, so what goes wrong is told to a person: as a page, where the browser takes one.

use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{self, Carrier, login};
use super::pages;
use crate::accounts::{Error, FederatedIdentity, Flow, LoggedIn, Purpose};
use crate::http::body::{self, Body};
use crate::http::oidc::{Answer, Binding, Provider, Refused, local_path};
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, query, render, respond};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewIdentity {
    provider: String,
    return_to: Option<String>,
}

/// `GET /auth/oidc`: with whom people may sign in.
pub(in crate::http) async fn providers(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let items: Vec<Value> = http
        .providers
        .iter()
        .map(|provider| json!({ "provider": provider.name, "label": provider.label }))
        .collect();
    respond::value(request.format, &json!({ "items": items })).await
}

/// `GET /auth/oidc/{provider}`: sends a browser to the provider.
pub(in crate::http) async fn begin(http: &Http, provider: &str, request: &Request) -> Result<Response<Body>, Problem> {
    for_people(request, begin_login(http, provider, request).await)
}

async fn begin_login(http: &Http, provider: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let provider = http.providers.get(provider)?;
    let wish = Wish::read(request.head.uri.query().unwrap_or_default())?;
    let (url, cookie) = start(http, provider, Purpose::LogIn, wish, request).await?;
    let mut response = redirect(&url)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// How somebody wants to come back.
#[derive(Default)]
struct Wish {
    carrier: Carrier,
    return_to: Option<String>,
}

impl Wish {
    fn read(text: &str) -> Result<Self, Problem> {
        let refused = |detail| Err(Problem::bad_request("malformed_query", detail));
        let (mut carrier, mut return_to) = (None, None);
        for (name, value) in query::pairs(text)? {
            let once = match (&*name, &*value) {
                ("session", "bearer") => carrier.replace(Carrier::Bearer).is_none(),
                ("session", "cookie") => carrier.replace(Carrier::Cookie).is_none(),
                ("return_to", _) => return_to.replace(value.into_owned()).is_none(),
                _ => false,
            };
            if !once {
                return refused("`return_to` and `session`, which is `bearer` or `cookie`, are understood, once each");
            }
        }
        let carrier = carrier.unwrap_or_default();
        if carrier == Carrier::Bearer && return_to.is_some() {
            // The secret of a session would have to be a part of the address.
            return refused("`return_to` needs `session=cookie`");
        }
        Ok(Self { carrier, return_to })
    }
}

/// Keeps what is begun; returns where the browser goes, and the cookie that it needs to come back.
async fn start(
    http: &Http,
    provider: &Provider,
    purpose: Purpose,
    wish: Wish,
    request: &Request,
) -> Result<(String, HeaderValue), Problem> {
    if wish.return_to.as_deref().is_some_and(|path| !local_path(path)) {
        return Err(Refused::NoLocalPath.into());
    }
    let binding = Binding::of_or_new(&request.head.headers)?;
    let (url, state) = provider.begin(&binding).await?;
    let mut flow = Flow::new(&provider.name, purpose, binding.secret());
    flow.in_cookie = wish.carrier == Carrier::Cookie;
    flow.return_to = wish.return_to;
    http.accounts.keep_flow(&state, &flow).await?;
    Ok((url, binding.cookie()?))
}

/// `GET /auth/oidc/{provider}/callback`: where the browser comes back to.
pub(in crate::http) async fn callback(
    http: &Http,
    provider: &str,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    for_people(request, finish(http, provider, request).await)
}

async fn finish(http: &Http, provider: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let provider = http.providers.get(provider)?;
    let answer = Answer::read(request.head.uri.query().unwrap_or_default())?;
    let binding = Binding::of(&request.head.headers).ok_or(Error::FlowSpent)?;
    let flow = http.accounts.take_flow(&answer.state, binding.secret()).await?;
    if flow.provider != provider.name {
        return Err(Refused::OtherIssuer.into());
    }
    let assertion = provider.finish(answer, &binding).await?;
    let client = auth::client(request);
    match flow.purpose {
        Purpose::LogIn => {
            let passed = http.accounts.login_identity(&assertion, &client).await?;
            match flow.in_cookie {
                true => to_cookie(http, &passed, flow.return_to.as_deref().unwrap_or("/")),
                false => login::passed_on(http, request, &passed, Carrier::Bearer).await,
            }
        }
        Purpose::Link(acting) => {
            http.accounts.link_identity(&acting, &assertion, &client).await?;
            match flow.return_to {
                Some(path) => redirect(&http.public(&path)),
                None => pages::done(
                    "The accounts are linked",
                    "You can sign in with either now, and close this page.",
                ),
            }
        }
    }
}

/// Sends a browser on with its session in a cookie. What a second factor is asked with stands behind the `#`, which no server
/// and no log ever sees: the page there answers it at `POST /auth/login/verify`.
fn to_cookie(http: &Http, passed: &LoggedIn, path: &str) -> Result<Response<Body>, Problem> {
    match passed {
        LoggedIn::Session(login) => {
            let mut response = redirect(&http.public(path))?;
            response
                .headers_mut()
                .insert(SET_COOKIE, auth::session_cookie(http, login));
            Ok(response)
        }
        LoggedIn::SecondFactor(challenge) => {
            let methods = json!(challenge.methods);
            let methods: Vec<&str> = methods
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let token = challenge.token.reveal();
            redirect(&http.public(&format!("{path}#challenge={token}&methods={}", methods.join(","))))
        }
    }
}

/// `GET /auth/identities`, and `POST`, which begins to link another one.
///
/// There is no GET that links: a page elsewhere could send a signed-in browser there, to a provider where somebody else is
/// signed in. The answer holds the address to go to, and the cookie that binds it to the browser that asked.
pub(in crate::http) async fn identities(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let identity = auth::identity(http, request).await?;
    if request.head.method != Method::POST {
        let identities = http.accounts.identities(identity.account.id).await?;
        return respond::value(request.format, &list(&identities)).await;
    }
    http.accounts.require_recent(&identity)?;
    let NewIdentity { provider, return_to } = call::form(http, request, body).await?;
    let purpose = Purpose::link(&http.accounts, &identity).await?;
    let provider = http.providers.get(&provider)?;
    let wish = Wish {
        return_to,
        ..Wish::default()
    };
    let (url, cookie) = start(http, provider, purpose, wish, request).await?;
    let mut response = respond::value(request.format, &json!({ "authorization_url": url })).await?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// `DELETE /auth/identities/{id}`
pub(in crate::http) async fn unlink(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let identity = auth::recent(http, request).await?;
    let id = auth::parsed(id, "identity")?;
    http.accounts
        .unlink_identity(&identity, id, &auth::client(request))
        .await?;
    Ok(respond::no_content())
}

/// Identities, as clients see them.
pub(in crate::http) fn list(identities: &[FederatedIdentity]) -> Value {
    let items: Vec<Value> = identities
        .iter()
        .map(|identity| {
            json!({
                "id": identity.id,
                "provider": identity.provider,
                "issuer": identity.issuer,
                "subject": identity.subject,
                "linked_at": render::time(identity.linked_ms),
            })
        })
        .collect();
    json!({ "items": items })
}

fn redirect(url: &str) -> Result<Response<Body>, Problem> {
    let location = HeaderValue::from_str(url).map_err(|_| Problem::internal())?;
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// A problem as a page, where a browser asks.
fn for_people(request: &Request, served: Result<Response<Body>, Problem>) -> Result<Response<Body>, Problem> {
    let takes_pages = request.head.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    match served {
        Err(problem) if takes_pages.is_some_and(|accept| accept.contains("text/html")) => pages::problem(&problem),
        served => served,
    }
}
