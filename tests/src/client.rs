//! A small blocking HTTP client: redirects, retries and decompression would hide what the host does, so it has none.

use std::time::Duration;

use serde_json::Value;
use ureq::http;

use crate::Answer;

/// An answer that takes longer than this fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The largest answer that a test reads.
const MAX_BODY_BYTES: u64 = 256 << 20;

/// No answer came: the host was not there, or went away in the middle.
#[derive(Debug)]
pub struct Lost(pub String);

/// Sends requests to one listener of a host.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client for `http://ADDR`.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(1_024)
            .max_idle_connections(1_024)
            .allow_non_standard_methods(true)
            .timeout_global(Some(PATIENCE))
            .build();
        Self {
            agent: config.new_agent(),
            base: base.to_owned(),
            token: None,
        }
    }

    /// Its bearer token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// `host:port` of the listener, for tests that write to the socket themselves.
    pub fn authority(&self) -> &str {
        self.base
            .split_once("://")
            .map_or(&self.base, |(_, authority)| authority)
    }

    /// A request to be completed and sent.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        let request = Request {
            client: self,
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
        };
        match &self.token {
            Some(token) => request.header("authorization", &format!("Bearer {token}")),
            None => request,
        }
    }

    /// `GET path`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    /// `POST path` with a JSON body.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send()
    }

    /// `PUT path` with a JSON body.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path).json(body).send()
    }

    /// `PATCH path` with a JSON Merge Patch.
    #[track_caller]
    pub fn patch(&self, path: &str, patch: &Value) -> Answer {
        self.request("PATCH", path)
            .json(patch)
            .header("content-type", "application/merge-patch+json")
            .send()
    }

    /// `DELETE path`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send()
    }
}

/// A request to be completed and sent.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request<'a> {
    client: &'a Client,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    /// Sets a header, in the place of an earlier one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A body of any type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.header("content-type", content_type)
    }

    /// Sends it; fails the test where no answer comes.
    #[track_caller]
    pub fn send(self) -> Answer {
        let asked = format!("{} {}", self.method, self.path);
        match self.try_send() {
            Ok(answer) => answer,
            Err(Lost(reason)) => panic!("{asked} was not answered: {reason}"),
        }
    }

    /// Sends it, where no answer may well come.
    pub fn try_send(self) -> Result<Answer, Lost> {
        let asked = format!("{} {}", self.method, self.path);
        let lost = |error: &dyn std::fmt::Display| Lost(error.to_string());
        let mut builder = http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("{}{}", self.client.base, self.path));
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let agent = &self.client.agent;
        let answered = match self.body {
            Some(body) => agent.run(builder.body(body).map_err(|error| lost(&error))?),
            None => agent.run(builder.body(()).map_err(|error| lost(&error))?),
        };
        let (head, mut body) = answered.map_err(|error| lost(&error))?.into_parts();
        let body = body.with_config().limit(MAX_BODY_BYTES).read_to_vec();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Answer {
            asked,
            status: head.status.as_u16(),
            headers: head
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: body.map_err(|error| lost(&error))?,
        })
    }
}
