//! `/admin/api/accounts`: what an operator does with accounts.

use std::collections::BTreeSet;

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::{self, operator};
use super::auth;
use super::auth::account::receipt;
use crate::accounts::{Account, Address, Change, Error, MAX_PAGE, NewAccount};
use crate::capabilities::model::Violation;
use crate::http::body::Body;
use crate::http::paging::Paging;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, paging, query, respond};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    email: String,
    name: Option<String>,
    password: Option<String>,
    #[serde(default)]
    roles: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    #[serde(default, deserialize_with = "given")]
    roles: Option<Option<BTreeSet<String>>>,
    #[serde(default)]
    add_roles: BTreeSet<String>,
    #[serde(default)]
    remove_roles: BTreeSet<String>,
    #[serde(default, deserialize_with = "given")]
    locked: Option<Option<bool>>,
}

/// Tells a member that is null from one that is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// `GET` and `POST /admin/api/accounts`
pub(in crate::http) async fn accounts(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    if request.head.method == Method::POST {
        return create(http, request, body).await;
    }
    let mut email: Option<Address> = None;
    let query = request.head.uri.query().unwrap_or_default();
    let Paging { behind, limit } = Paging::read(query, MAX_PAGE, |name, value| {
        if name == "email" {
            email = Some(
                value
                    .parse()
                    .map_err(|error| paging::bad(format!("`email`: {error}")))?,
            );
        }
        Ok(name == "email")
    })?;
    let found = match &email {
        Some(address) => match http.accounts.account_of(address).await {
            Ok(account) => vec![account],
            Err(Error::NotFound) => Vec::new(),
            Err(error) => return Err(error.into()),
        },
        None => http.accounts.list(behind, limit).await?,
    };
    // A full page may be followed by another.
    let is_full = email.is_none() && found.len() == limit;
    let next = found.last().filter(|_| is_full).map(|last| last.id);
    let items: Vec<Value> = found.iter().map(described).collect();
    respond::value(request.format, &json!({ "items": items, "next_cursor": next })).await
}

async fn create(http: &Http, request: &Request, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let new: New = call::form(http, request, body).await?;
    // While it arrived, an administrator may have become something less.
    let by = admin::by(http, request).await?;
    let address: Address = new.email.parse().map_err(|error| {
        Problem::invalid(vec![Violation {
            pointer: "/email".to_owned(),
            message: format!("{error}"),
        }])
    })?;
    let new = NewAccount {
        address,
        name: new.name,
        password: new.password,
        roles: new.roles,
    };
    let account = http.accounts.create(new, &by).await?;
    let mut response = respond::value(request.format, &described(&account)).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `GET`, `PATCH` and `DELETE /admin/api/accounts/{id}`; the last erases the account.
pub(in crate::http) async fn account(
    http: &Http,
    id: &str,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let by = admin::by(http, request).await?;
    let id = parsed(id)?;
    if request.head.method == Method::DELETE {
        let signed = http.accounts.erase(http.dispatch.catalogue(), id, &by).await?;
        return respond::value(request.format, &receipt(&signed)).await;
    }
    let account = if request.head.method == Method::PATCH {
        let changed: Changed = call::form(http, request, body).await?;
        let by = admin::by(http, request).await?;
        // RFC 7396: what is null is removed.
        let change = Change {
            roles: changed.roles.map(Option::unwrap_or_default),
            added_roles: changed.add_roles,
            removed_roles: changed.remove_roles,
            is_locked: changed.locked.map(Option::unwrap_or_default),
        };
        http.accounts.change(id, &change, &by).await?
    } else {
        http.accounts.account(id).await?
    };
    respond::value(request.format, &described(&account)).await
}

/// `GET` and `DELETE /admin/api/accounts/{id}/sessions`
pub(in crate::http) async fn sessions(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let by = admin::by(http, request).await?;
    let id = http.accounts.account(parsed(id)?).await?.id;
    if request.head.method == Method::DELETE {
        http.accounts.end_sessions_of(id, &by).await?;
        return Ok(respond::no_content());
    }
    let sessions = http.accounts.sessions(id).await?;
    respond::value(request.format, &auth::list(&sessions, None)).await
}

/// `GET /admin/api/accounts/{id}/traces?email=…`: what is left of an account that was erased.
pub(in crate::http) async fn traces(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    let mut email: Option<Address> = None;
    for (name, value) in query::pairs(request.head.uri.query().unwrap_or_default())? {
        match &*name {
            "email" => {
                email = Some(
                    value
                        .parse()
                        .map_err(|error| paging::bad(format!("`email`: {error}")))?,
                );
            }
            _ => return Err(paging::bad("the only parameter is `email`".to_owned())),
        }
    }
    let traces = http.accounts.traces(parsed(id)?, email.as_ref()).await?;
    respond::value(request.format, &json!(traces)).await
}

/// `DELETE /admin/api/accounts/{id}/factors`
pub(in crate::http) async fn factors(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    let by = admin::by(http, request).await?;
    http.accounts.reset_factors(parsed(id)?, &by).await?;
    Ok(respond::no_content())
}

fn parsed(id: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(id).map_err(|_| Error::NotFound.into())
}

/// An account, as an operator sees it.
pub fn described(account: &Account) -> Value {
    let mut described = auth::account(account);
    described["locked"] = account.is_locked.into();
    described
}
