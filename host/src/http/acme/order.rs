//! One order: an account with the authority, a challenge for each name, and the certificate.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected};
use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::{Acme, certificate};
use crate::config::{read_secret, write_secret};
use crate::http::client::Client;
use crate::http::tls::BadCertificate;

/// How long the authority may take to look at the challenges, and to issue the certificate.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));
/// The longest that an authority may ask the host to wait; it waits no longer than it has patience anyway.
const MAX_RETRY_AFTER_S: u64 = 24 * 60 * 60;
/// What the host is known by with the authority.
const ACCOUNT: &str = "account.json";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("it has taken too long")]
    Timeout,
    #[error("a defect of this program has ended the attempt")]
    Panicked,
    #[error("the authority: {0}")]
    Authority(#[from] Error),
    #[error("the authority asks {0} for what this host can't do: TLS-ALPN-01 is not among its challenges")]
    NoChallenge(String),
    #[error("the authority was not convinced:{0}")]
    Unconvinced(String),
    #[error("a certificate of the host's own: {0}")]
    Own(#[from] rcgen::Error),
    #[error("what the authority has sent is not used: {0}")]
    Unfit(String),
    #[error("it can't be kept: {0}")]
    Kept(io::Error),
    #[error(transparent)]
    Unusable(BadCertificate),
}

/// The certificate with its chain and its key, in PEM, as the host can use it.
pub(super) async fn certificate(acme: &Acme) -> Result<String, Refused> {
    let account = account(acme).await?;
    let names: Vec<Identifier> = acme.config.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(Refused::NoChallenge(name));
        };
        let own = certificate::of_challenge(&name, challenge.key_authorization().digest().as_ref())?;
        acme.certificates.challenge(name, own).map_err(Refused::Unusable)?;
        challenge.set_ready().await?;
    }
    if order.poll_ready(&PATIENCE).await? != OrderStatus::Ready {
        return Err(Refused::Unconvinced(complaints(&mut order).await));
    }
    let key = order.finalize().await?;
    let sent = order.poll_certificate(&PATIENCE).await?;
    // Any body is passed on here as long as the status is a good one.
    certificate::kept(&sent, &key, &acme.config.domains, acme.clock.now_ms()).map_err(Refused::Unfit)
}

/// What the authority says of each name.
async fn complaints(order: &mut Order) -> String {
    let mut text = String::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        for error in authorization
            .challenges
            .iter()
            .filter_map(|challenge| challenge.error.as_ref())
        {
            // Writing to a string does not fail.
            let _ = write!(text, " {}: {error}.", authorization.identifier());
        }
    }
    text
}

/// The account with the authority: the one from before, or a new one.
async fn account(acme: &Acme) -> Result<Account, Refused> {
    let path = acme.folder.join(ACCOUNT);
    let http = || Box::new(Authority(acme.client.clone()));
    let kept = read_secret(&path)
        .ok()
        .and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    if let Some(Kept { directory, credentials }) = kept
        && directory == acme.config.directory
    {
        return Ok(Account::builder_with_http(http()).from_credentials(credentials).await?);
    }
    let contact = acme.config.contact.as_ref().map(|address| format!("mailto:{address}"));
    let new = NewAccount {
        contact: &contact.iter().map(String::as_str).collect::<Vec<_>>(),
        // The configuration is refused where they are not.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let directory = acme.config.directory.clone();
    let made = Account::builder_with_http(http()).create(&new, directory.clone(), None);
    let (account, credentials) = made.await?;
    let text = serde_json::to_vec(&Kept { directory, credentials }).map_err(|error| Refused::Kept(error.into()))?;
    let written = tokio::task::spawn_blocking(move || write_secret(&path, &text));
    written
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(Refused::Kept)?;
    Ok(account)
}

/// An account as it is kept.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    /// With whom.
    directory: String,
    credentials: AccountCredentials,
}

/// The way to the authority.
struct Authority(Client);

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // It is in memory, so that reading it does not fail.
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            let answer = client.send(Request::from_parts(head, body.to_vec())).await;
            let (mut head, body) = answer.map_err(|error| Error::Other(Box::new(error)))?.into_parts();
            bound_retry_after(&mut head.headers);
            Ok(BytesResponse::from(Response::from_parts(head, BodyWrapper::from(body))))
        })
    }
}

/// Has an authority ask for no more time than there is: the library adds what it asks for to the time of day, and panics where
/// that overflows.
fn bound_retry_after(headers: &mut HeaderMap) {
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked_s = asked.and_then(|text| text.trim().parse::<u64>().ok());
    if asked_s.is_some_and(|asked_s| asked_s > MAX_RETRY_AFTER_S) {
        headers.insert(RETRY_AFTER, HeaderValue::from(MAX_RETRY_AFTER_S));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_asks_for_a_day_at_most() {
        let bounded = |asked: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(asked));
            headers.append(RETRY_AFTER, HeaderValue::from_static("1"));
            bound_retry_after(&mut headers);
            headers[RETRY_AFTER].to_str().unwrap().to_owned()
        };
        for asked in ["18446744073709551615", "+18446744073709551615", " 86401 "] {
            assert_eq!(bounded(asked), "86400", "{asked}");
        }
        for asked in [
            "0",
            "86400",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "18446744073709551616",
            "soon",
        ] {
            assert_eq!(bounded(asked), asked);
        }
    }
}
