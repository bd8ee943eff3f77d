//! The server that Portcullis is measured against: axum and sled, written by hand for one kind of document, without a
//! sandbox, schemas, policy, transactions or limits. It answers with the same status, headers and body.
//!
//! It takes every short cut that such a server could: what it stores is the very body that a GET answers with.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use clap::Parser;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Parser)]
struct Arguments {
    /// Where sled keeps its files.
    #[arg(long)]
    data: PathBuf,
    /// Documents to begin with: bodies of answers, one a line.
    #[arg(long)]
    seed: PathBuf,
    /// A header of each answer, `name: value`.
    #[arg(long = "header", value_parser = header_line)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

struct Server {
    store: sled::Db,
    headers: Vec<(HeaderName, HeaderValue)>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let store = sled::open(arguments.data)?;
    for line in std::fs::read_to_string(arguments.seed)?.lines() {
        let document: Map<String, Value> = serde_json::from_str(line)?;
        let id: Uuid = document.get("id").and_then(Value::as_str).unwrap_or_default().parse()?;
        store.insert(id.as_bytes(), line)?;
    }
    let server = Server {
        store,
        headers: arguments.headers,
    };
    let routes = Router::new()
        .route("/api/{resource}", post(create))
        .route("/api/{resource}/{id}", get(read))
        .with_state(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("api http://{}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn read(
    State(server): State<Arc<Server>>,
    Path((_, id)): Path<(String, Uuid)>,
    asked: HeaderMap,
) -> Result<Response, StatusCode> {
    let stored = server
        .store
        .get(id.as_bytes())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let body = stored.ok_or(StatusCode::NOT_FOUND)?;
    Ok(server.answer(StatusCode::OK, &asked, Bytes::copy_from_slice(&body)))
}

async fn create(
    State(server): State<Arc<Server>>,
    Path(resource): Path<String>,
    asked: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    let fields: Map<String, Value> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let id = Uuid::now_v7();
    let body = rendered(id, fields).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    server
        .keep(id, &body)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut response = server.answer(StatusCode::CREATED, &asked, body);
    let location = format!("/api/{resource}/{id}");
    let location = HeaderValue::try_from(location).map_err(|_| StatusCode::BAD_REQUEST)?;
    response.headers_mut().insert(header::LOCATION, location);
    let uncached = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, uncached);
    Ok(response)
}

/// The document as clients see it.
fn rendered(id: Uuid, fields: Map<String, Value>) -> serde_json::Result<Bytes> {
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default();
    let now = Value::String(format!("{now:.3}"));
    let mut document = Map::with_capacity(fields.len() + 4);
    document.insert("id".to_owned(), Value::String(id.to_string()));
    document.extend(fields);
    document.insert("owner".to_owned(), Value::Null);
    document.insert("created_at".to_owned(), now.clone());
    document.insert("updated_at".to_owned(), now);
    serde_json::to_vec(&document).map(Bytes::from)
}

impl Server {
    /// Stores and flushes. The flush blocks; sled's `flush_async` hangs where as many tasks flush as here.
    async fn keep(&self, id: Uuid, body: &[u8]) -> Result<(), Failure> {
        self.store.insert(id.as_bytes(), body)?;
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.flush()).await??;
        Ok(())
    }

    fn answer(&self, status: StatusCode, asked: &HeaderMap, body: Bytes) -> Response {
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let request_id = asked
            .get(REQUEST_ID)
            .cloned()
            .or_else(|| Uuid::now_v7().to_string().try_into().ok());
        headers.extend(request_id.map(|id| (REQUEST_ID, id)));
        response
    }
}

fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(": ").ok_or("write `name: value`")?;
    let name = name.parse().map_err(|_| format!("{name} is not a header's name"))?;
    let value = value.parse().map_err(|_| format!("{value} is not a header's value"))?;
    Ok((name, value))
}
