//! Who makes a request: from the `Authorization` header, or the cookie of a browser, to credentials, and from those to a `Caller`.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

use super::problem::{Problem, bad_credentials, ended_cookie};
use super::{Http, cookie};
use crate::accounts::{self, Accounts};
use crate::policy::{self, Caller, Refusal};

/// The longest token that can be the operator's.
const MAX_TOKEN_BYTES: usize = 512;

/// What a request presents; not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials<'r> {
    /// Nothing.
    None,
    /// A bearer token (RFC 6750).
    Bearer(&'r str),
    /// The session of a browser, in a cookie.
    Cookie(&'r str),
}

/// Reads the credentials of a request. What is presented but can't be read is refused, not ignored; so is a cookie that a
/// browser sends because another site made it. A bearer token goes before a cookie.
pub(super) fn credentials<'r>(http: &Http, head: &'r Parts) -> Result<Credentials<'r>, Problem> {
    match bearer(&head.headers)? {
        Credentials::None => {}
        bearer => return Ok(bearer),
    }
    match cookie::token(&head.headers) {
        Some(token) => {
            let is_own = |origin: &HeaderValue| http.origin.as_deref().is_some_and(|own| origin == own);
            cookie::guard(head, |origin| is_own(origin) || http.cors.lets_cookies_in(origin))?;
            Ok(Credentials::Cookie(token))
        }
        None => Ok(Credentials::None),
    }
}

/// The bearer token of a request; what else it presents does not count.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Credentials<'_>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(Credentials::None);
    };
    let text = value.to_str().map_err(|_| bad_credentials())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(bad_credentials)?;
    let token = token.trim();
    if values.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(bad_credentials());
    }
    Ok(Credentials::Bearer(token))
}

/// Turns credentials into callers.
pub(super) struct Identity {
    /// A digest, so that a comparison takes no longer the more of a guess is right.
    operator: [u8; 32],
    accounts: Arc<Accounts>,
}

impl Identity {
    /// An identity that knows the operator's token, and the sessions of accounts.
    pub(super) fn new(operator_token: &str, accounts: Arc<Accounts>) -> Self {
        Self {
            operator: Sha256::digest(operator_token).into(),
            accounts,
        }
    }

    /// Whom the credentials stand for.
    pub(super) async fn caller(&self, credentials: &Credentials<'_>) -> Result<Caller, Problem> {
        match *credentials {
            Credentials::None => Ok(Caller::Anonymous),
            Credentials::Cookie(token) => self.caller_of_session(token, ended_cookie).await,
            Credentials::Bearer(token) if Accounts::is_session_token(token) => {
                self.caller_of_session(token, bad_credentials).await
            }
            Credentials::Bearer(token) if Accounts::is_api_token(token) => {
                let known = self.accounts.identify_program(token).await?;
                let (account, limits) = known.ok_or_else(bad_credentials)?;
                Ok(Caller::Account(policy::Account {
                    limits: Some(Arc::new(limits)),
                    ..account.for_policy()
                }))
            }
            Credentials::Bearer(token) if self.is_operator(token) => Ok(Caller::Operator),
            Credentials::Bearer(_) => Err(bad_credentials()),
        }
    }

    async fn caller_of_session(&self, token: &str, ended: fn() -> Problem) -> Result<Caller, Problem> {
        let account = self.accounts.caller(token).await?.ok_or_else(ended)?;
        Ok(Caller::Account(account))
    }

    /// The account that acts, and its session: for what only somebody does who has logged in.
    pub(super) async fn account(&self, credentials: &Credentials<'_>) -> Result<accounts::Identity, Problem> {
        match *credentials {
            Credentials::None => Err(Refusal::Unauthenticated.into()),
            Credentials::Cookie(token) => self.session(token, ended_cookie).await,
            Credentials::Bearer(token) if Accounts::is_session_token(token) => {
                self.session(token, bad_credentials).await
            }
            // Whoever they are: programs and operators have no session.
            Credentials::Bearer(_) => {
                self.caller(credentials).await?;
                Err(Refusal::Forbidden.into())
            }
        }
    }

    async fn session(&self, token: &str, ended: fn() -> Problem) -> Result<accounts::Identity, Problem> {
        self.accounts.identify(token).await?.ok_or_else(ended)
    }

    /// Whether a request presents the operator's token. Longer ones are not looked at: this is asked before anything is limited.
    pub(super) fn is_of_operator(&self, headers: &HeaderMap) -> bool {
        let Ok(Credentials::Bearer(token)) = bearer(headers) else {
            return false;
        };
        token.len() <= MAX_TOKEN_BYTES && !Accounts::is_session_token(token) && self.is_operator(token)
    }

    fn is_operator(&self, token: &str) -> bool {
        let presented: [u8; 32] = Sha256::digest(token).into();
        let differing = presented
            .iter()
            .zip(&self.operator)
            .fold(0, |bits, (left, right)| bits | (left ^ right));
        std::hint::black_box(differing) == 0
    }
}

#[cfg(test)]
#[path = "identify_tests.rs"]
mod tests;
