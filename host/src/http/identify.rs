//! Who makes a request: from the `Authorization` header to credentials, and from those to a `Caller`.

use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};

use super::problem::{Problem, bad_credentials};
use crate::policy::Caller;

/// What a request presents; not yet believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials<'r> {
    /// Nothing.
    None,
    /// A bearer token (RFC 6750).
    Bearer(&'r str),
}

/// Reads the credentials of a request. What is presented but can't be read is refused, not ignored.
pub(super) fn credentials(headers: &HeaderMap) -> Result<Credentials<'_>, Problem> {
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
#[derive(Debug)]
pub(super) struct Identity {
    /// A digest, so that a comparison takes no longer the more of a guess is right.
    operator: [u8; 32],
}

impl Identity {
    /// An identity that knows the operator's token.
    pub(super) fn new(operator_token: &str) -> Self {
        Self {
            operator: Sha256::digest(operator_token).into(),
        }
    }

    /// Whom the credentials stand for.
    pub(super) fn caller(&self, credentials: &Credentials<'_>) -> Result<Caller, Problem> {
        match credentials {
            Credentials::None => Ok(Caller::Anonymous),
            Credentials::Bearer(token) if self.is_operator(token) => Ok(Caller::Operator),
            Credentials::Bearer(_) => Err(bad_credentials()),
        }
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
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn caller(values: &[&str]) -> Option<Caller> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        Identity::new("secret").caller(&credentials(&headers).ok()?).ok()
    }

    #[test]
    fn the_token_makes_the_operator() {
        assert_eq!(caller(&["Bearer secret"]), Some(Caller::Operator));
        assert_eq!(caller(&["bearer  secret "]), Some(Caller::Operator));
    }

    #[test]
    fn no_header_makes_an_anonymous_caller() {
        assert_eq!(caller(&[]), Some(Caller::Anonymous));
    }

    #[test]
    fn anything_else_is_refused_rather_than_ignored() {
        for bad in [
            "",
            "secret",
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Basic c2VjcmV0",
        ] {
            assert_eq!(caller(&[bad]), None, "{bad}");
        }
        assert_eq!(caller(&["Bearer secret", "Bearer secret"]), None);
    }
}
