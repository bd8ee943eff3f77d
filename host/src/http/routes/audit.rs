//! `/admin/api/audit`: who did what, and whether the log of it is whole.

use hyper::Response;
use serde_json::{Value, json};

use super::admin::operator;
use crate::http::body::Body;
use crate::http::paging::Paging;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, paging, query, render, respond};
use crate::storage::audit::{Entry, PAGE};

/// `GET /admin/api/audit`: the newest entries first.
pub(in crate::http) async fn list(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    let query = request.head.uri.query().unwrap_or_default();
    let Paging { behind, limit } = Paging::<u64>::read(query, PAGE, |_, _| Ok(false))?;
    let entries = http.accounts.audit_page(behind, limit).await?;
    let next = entries.last().filter(|_| entries.len() == limit);
    let next = next.map(|(entry, _)| entry.number).filter(|number| *number > 1);
    let items: Vec<Value> = entries.iter().map(described).collect();
    respond::value(
        request.format,
        &json!({ "items": items, "next_cursor": next.map(|next| next.to_string()) }),
    )
    .await
}

/// `GET /admin/api/audit/verify?expect=HASH`
pub(in crate::http) async fn verify(http: &Http, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    let mut expected = None;
    for (name, value) in query::pairs(request.head.uri.query().unwrap_or_default())? {
        match &*name {
            "expect" => expected = Some(value.into_owned()),
            _ => return Err(paging::bad("the only parameter is `expect`".to_owned())),
        }
    }
    let report = http.accounts.audit_verify(expected.as_deref()).await?;
    respond::value(request.format, &json!(report)).await
}

/// An entry, as an operator sees it.
pub fn described((entry, personal): &(Entry, Vec<Value>)) -> Value {
    let act = &entry.act;
    json!({
        "number": entry.number,
        "at": render::time(act.at_ms),
        "actor": act.actor,
        "act": act.act,
        "subject": act.subject,
        "detail": act.detail,
        "personal": personal,
    })
}
