//! `/admin/api`: what only the operator may do.

use std::sync::Arc;

use async_trait::async_trait;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::auth::client;
use crate::accounts::By;
use crate::http::body::{self, Body, Chunks};
use crate::http::problem::{Problem, SECOND_FACTOR_REQUIRED};
use crate::http::request::Request;
use crate::http::{Http, identify, respond};
use crate::policy::{Caller, Refusal};
use crate::storage::audit::Actor;

/// What the composition root can do for an operator.
#[async_trait]
pub trait AdminActions: Send + Sync + 'static {
    /// Whether requests can be served; the reason, where they can't, is for the log.
    fn ready(&self) -> Result<(), String>;
    /// The plugins that run, as a JSON array.
    async fn plugins(&self) -> Value;
    /// Reads the configuration again, and says what changed. A bad one is refused and the old one stays.
    async fn reload(&self, actor: Actor) -> Result<Value, AdminError>;
    /// Checks the store, and says what was found.
    async fn verify(&self) -> Result<Value, AdminError>;
    /// A dump of the store, of one state.
    async fn backup(&self) -> Result<Chunks, AdminError>;
    /// The documents of a resource, a JSON object a line.
    async fn export(&self, resource: &str) -> Result<Chunks, AdminError>;
}

/// Why an action was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// There is no such resource.
    #[error("there is no such resource")]
    NotFound,
    /// What was asked for makes no sense; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// It failed; the operator may read why.
    #[error("{0}")]
    Failed(String),
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound => Self::no_such_resource(),
            AdminError::Refused(detail) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail),
            AdminError::Failed(detail) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail),
        }
    }
}

/// Lets only the operator and administrators pass.
pub(in crate::http) async fn operator(http: &Http, request: &Request) -> Result<Caller, Problem> {
    // No cookie: a browser sends those of one port to all others.
    let credentials = identify::bearer(&request.head.headers)?;
    let caller = match http.identity.caller(&credentials).await {
        Err(problem) if problem.code() == SECOND_FACTOR_REQUIRED => {
            let identity = http.identity.account(&credentials).await?;
            refused(http, request, Actor::Account(identity.account.id)).await?;
            return Err(problem);
        }
        caller => caller?,
    };
    match caller {
        caller if caller.is_operator() && caller.limits().is_none() => Ok(caller),
        Caller::Anonymous => Err(Refusal::Unauthenticated.into()),
        caller @ (Caller::Account(_) | Caller::Operator) => {
            refused(http, request, actor(&caller)).await?;
            Err(Refusal::Forbidden.into())
        }
    }
}

/// Writes into the audit log who was refused. No path: what it holds may tell of anybody.
async fn refused(http: &Http, request: &Request, actor: Actor) -> Result<(), Problem> {
    let by = By {
        actor,
        client: client(request),
        as_operator: false,
    };
    let detail = json!({ "method": request.head.method.as_str() });
    Ok(http.accounts.audit_refusal(&by, detail).await?)
}

/// The operator or the administrator who asks, for the audit log.
pub(in crate::http) async fn by(http: &Http, request: &Request) -> Result<By, Problem> {
    let caller = operator(http, request).await?;
    Ok(By {
        actor: actor(&caller),
        client: client(request),
        as_operator: true,
    })
}

/// Writes into the audit log what an operator is about to have done. What is not written down is not done.
pub(in crate::http) async fn audited(
    http: &Http,
    request: &Request,
    act: &str,
    subject: Option<&str>,
) -> Result<(), Problem> {
    let by = by(http, request).await?;
    let subject = subject.map(str::to_owned);
    Ok(http.accounts.audit_act(&by, act, subject, Value::Null).await?)
}

fn actor(caller: &Caller) -> Actor {
    match caller {
        Caller::Anonymous => Actor::Anonymous,
        Caller::Account(account) => Actor::Account(account.id),
        Caller::Operator => Actor::Operator,
    }
}

/// `GET /admin/api/plugins`
pub(in crate::http) async fn plugins(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    respond::value(request.format, &http.admin.plugins().await).await
}

/// `POST /admin/api/reload`
pub(in crate::http) async fn reload(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    let by = by(http, request).await?;
    audited(http, request, "plugin.reload", None).await?;
    // It is done to its end, whether the client waits for that or not.
    let admin = Arc::clone(&http.admin);
    let reloaded = tokio::spawn(async move { admin.reload(by.actor).await }).await;
    let changed = reloaded.map_err(|error| AdminError::Failed(error.to_string()))??;
    respond::value(request.format, &changed).await
}

/// `GET /admin/api/verify`
pub(in crate::http) async fn verify(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    respond::value(request.format, &http.admin.verify().await?).await
}

/// `GET /admin/api/backup`
pub(in crate::http) async fn backup(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    audited(http, request, "store.backup", None).await?;
    let mut response = stream(http.admin.backup().await?, "application/octet-stream");
    let name = HeaderValue::from_static("attachment; filename=\"portcullis.dump\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// `GET /admin/api/export/{resource}`
pub(in crate::http) async fn export(http: &Http, resource: &str, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    // What is no resource may be anything, even what tells of a person. One whose plugin can't be served has documents all the
    // same.
    let state = http.dispatch.catalogue().current();
    state.collection(resource).ok_or_else(Problem::no_such_resource)?;
    audited(http, request, "resource.export", Some(resource)).await?;
    Ok(stream(http.admin.export(resource).await?, "application/x-ndjson"))
}

/// An answer that is made while it is sent. Where that fails, the connection breaks off, so that the client can't take
/// a part for the whole.
fn stream(chunks: Chunks, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body::streamed(chunks));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
