//! `/admin/api/accounts`: what an operator does with accounts.

use std::collections::BTreeSet;

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::admin::operator;
use super::auth;
use crate::accounts::{Account, Address, Change, Error, MAX_PAGE, NewAccount};
use crate::capabilities::model::Violation;
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::{Http, call, query, respond};

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
    let asked = Asked::read(request.head.uri.query().unwrap_or_default())?;
    let found = match &asked.email {
        Some(address) => match http.accounts.account_of(address).await {
            Ok(account) => vec![account],
            Err(Error::NotFound) => Vec::new(),
            Err(error) => return Err(error.into()),
        },
        None => http.accounts.list(asked.after, asked.limit).await?,
    };
    // A full page may be followed by another.
    let is_full = asked.email.is_none() && found.len() == asked.limit;
    let next = found.last().filter(|_| is_full).map(|last| last.id);
    let items: Vec<Value> = found.iter().map(described).collect();
    respond::value(request.format, &json!({ "items": items, "next_cursor": next })).await
}

/// What a list of accounts is asked for.
struct Asked {
    email: Option<Address>,
    after: Option<Uuid>,
    limit: usize,
}

impl Asked {
    fn read(text: &str) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::bad_request("malformed_query", detail);
        let mut asked = Self {
            email: None,
            after: None,
            limit: 100,
        };
        let mut seen = BTreeSet::new();
        for (name, value) in query::pairs(text)? {
            if !seen.insert(name.clone()) {
                return Err(bad(format!("`{name}` is given twice")));
            }
            match &*name {
                "email" => asked.email = Some(value.parse().map_err(|error| bad(format!("`email`: {error}")))?),
                "cursor" => {
                    let after = Uuid::try_parse(&value);
                    asked.after = Some(after.map_err(|_| bad("`cursor` is none that was given out".to_owned()))?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
                    asked.limit =
                        limit.ok_or_else(|| bad(format!("`limit` is a whole number from 1 to {MAX_PAGE}")))?;
                }
                _ => return Err(bad(format!("`{name}` is not `email`, `limit` or `cursor`"))),
            }
        }
        Ok(asked)
    }
}

async fn create(http: &Http, request: &Request, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let new: New = call::form(http, request, body).await?;
    // While it arrived, an administrator may have become something less.
    operator(http, request).await?;
    let address: Address = new.email.parse().map_err(|error| {
        Problem::invalid(vec![Violation {
            pointer: "/email".to_owned(),
            message: format!("{error}"),
        }])
    })?;
    let account = http.accounts.create(NewAccount {
        address,
        name: new.name,
        password: new.password,
        roles: new.roles,
    });
    let mut response = respond::value(request.format, &described(&account.await?)).await?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `GET` and `PATCH /admin/api/accounts/{id}`
pub(in crate::http) async fn account(
    http: &Http,
    id: &str,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    let id = parsed(id)?;
    let account = if request.head.method == Method::PATCH {
        let Changed { roles, locked } = call::form(http, request, body).await?;
        operator(http, request).await?;
        // RFC 7396: what is null is removed.
        let change = Change {
            roles: roles.map(Option::unwrap_or_default),
            is_locked: locked.map(Option::unwrap_or_default),
        };
        http.accounts.change(id, &change).await?
    } else {
        http.accounts.account(id).await?
    };
    respond::value(request.format, &described(&account)).await
}

/// `GET` and `DELETE /admin/api/accounts/{id}/sessions`
pub(in crate::http) async fn sessions(http: &Http, id: &str, request: &Request) -> Result<Response<Body>, Problem> {
    operator(http, request).await?;
    let id = http.accounts.account(parsed(id)?).await?.id;
    if request.head.method == Method::DELETE {
        http.accounts.end_sessions(id, None).await?;
        return Ok(respond::no_content());
    }
    let sessions = http.accounts.sessions(id).await?;
    respond::value(request.format, &auth::list(&sessions, None)).await
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
