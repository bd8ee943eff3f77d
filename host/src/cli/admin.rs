//! The client of a running host's admin API.

use std::path::Path;

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::failure::Failure;
use super::options::Files;

/// The file of the operator token in the data directory.
const TOKEN_FILE: &str = "operator-token";
/// The variable that goes before it.
const TOKEN_VARIABLE: &str = "PORTCULLIS_TOKEN";

/// Which host a command talks to.
#[derive(Args)]
pub(super) struct Target {
    /// The admin API of the running host [default: `[server] admin_listen`, or else http://127.0.0.1:8081]
    #[arg(long, value_name = "URL", global = true)]
    to: Option<String>,
    #[command(flatten)]
    files: Files,
}

impl Target {
    /// Whether a host is named.
    pub(super) fn is_named(&self) -> bool {
        self.to.is_some()
    }

    /// Where the host's files are.
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// A client with the operator token.
    pub(super) fn connect(&self) -> Result<Admin, Failure> {
        let config = self.files.load()?;
        let base = match &self.to {
            Some(url) => url.clone(),
            None => format!("http://{}", config.server.admin_listen),
        };
        Admin::new(&base, &token(&config.data.directory)?)
    }
}

/// The operator token: from the environment, or else from the data directory.
pub(super) fn token(data: &Path) -> Result<String, Failure> {
    if let Ok(token) = std::env::var(TOKEN_VARIABLE) {
        return Ok(token);
    }
    let file = data.join(TOKEN_FILE);
    match std::fs::read_to_string(&file) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => Err(Failure::Failed(format!(
            "no operator token: cannot read {} ({error}); set {TOKEN_VARIABLE}, or name the host's data directory with --data",
            file.display()
        ))),
    }
}

/// A client of one host's admin API.
pub(super) struct Admin {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

impl Admin {
    /// A client for `http://ADDR`.
    pub(super) fn new(base: &str, token: &str) -> Result<Self, Failure> {
        let base = base.trim_end_matches('/');
        let plain = base.parse::<Uri>().is_ok_and(|uri| {
            uri.scheme_str() == Some("http") && uri.authority().is_some() && matches!(uri.path(), "" | "/")
        });
        if !plain {
            return Err(Failure::Usage(format!(
                "`{base}` is not the address of an admin API; write for instance http://127.0.0.1:8081"
            )));
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Failure::Failed("the operator token holds characters that no token has".to_owned()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: base.to_owned(),
            authorization,
        })
    }

    /// `GET path`; the answer is good and its body still to be read.
    pub(super) async fn get(&self, path: &str) -> Result<Response<Incoming>, Failure> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// `GET path`, whole.
    pub(super) async fn get_json(&self, path: &str) -> Result<Value, Failure> {
        read_json(self.get(path).await?).await
    }

    /// `POST path` with a JSON body.
    pub(super) async fn post_json(&self, path: &str, body: Bytes) -> Result<Value, Failure> {
        read_json(self.send(Method::POST, path, body).await?).await
    }

    /// `POST path` with a JSON value; nothing where that is null.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        read_json(self.send(Method::POST, path, body).await?).await
    }

    /// `PATCH path` with a JSON Merge Patch.
    pub(super) async fn patch(&self, path: &str, patch: &Value) -> Result<Value, Failure> {
        read_json(self.send(Method::PATCH, path, patch.to_string().into()).await?).await
    }

    /// `DELETE path`; null where there is nothing to tell.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        read_json(self.send(Method::DELETE, path, Bytes::new()).await?).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, Failure> {
        let media_type = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, &self.authorization);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, media_type);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| Failure::Usage(format!("no request can be made of `{path}`: {error}")))?;
        let response = self.client.request(request).await.map_err(|error| {
            Failure::Failed(format!(
                "no answer from {}: {}; is the host running?",
                self.base,
                causes(&error)
            ))
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }
}

/// What an answer that is no success says.
async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let problem = read_json(response).await.unwrap_or_default();
    let said = problem["detail"].as_str().or_else(|| problem["title"].as_str());
    let mut reason = said
        .or(status.canonical_reason())
        .unwrap_or("no reason given")
        .to_owned();
    for violation in problem["errors"].as_array().into_iter().flatten() {
        let text = |name: &str| violation[name].as_str().unwrap_or_default();
        reason = format!("{reason}; {} {}", text("pointer"), text("message"));
    }
    Failure::Failed(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("the host refuses the operator token: {reason}; is --data the data directory of this host?")
        }
        _ => format!("the host answered {}: {reason}", status.as_u16()),
    })
}

async fn read_json(response: Response<Incoming>) -> Result<Value, Failure> {
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(Value::Null);
    }
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| Failure::Failed(format!("the answer broke off: {}", causes(&error))))?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| Failure::Failed(format!("the host answered with something that is not JSON: {error}")))
}

/// An error with what caused it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Runs a client to its end.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    runtime.block_on(work)
}
