//! One provider: where people are sent, and what is made of what they come back with.

use std::sync::Arc;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreErrorResponseType, CoreIdTokenClaims, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    TokenResponse as _,
};
use tokio::sync::Mutex;

use super::binding::{self, Binding};
use super::metadata::{Cache, Known, Registration, SIGNATURES, chain};
use super::refused::Refused;
use crate::accounts::Assertion;
use crate::config;
use crate::http::client::Client;
use crate::http::problem::Problem;
use crate::http::query;

/// The longest subject (OpenID Connect Core 1.0, 2).
const MAX_SUBJECT_BYTES: usize = 255;

/// A provider.
pub(in crate::http) struct Provider {
    /// Its name in the configuration and in paths.
    pub(in crate::http) name: String,
    /// What people know it as.
    pub(in crate::http) label: String,
    registration: Registration,
    scopes: Vec<Scope>,
    http: Client,
    /// Locked while it is fetched, so that it is fetched once however many are waiting.
    cache: Mutex<Cache>,
}

/// What a browser brings back from a provider; not yet believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Answer {
    pub(in crate::http) state: String,
    code: Option<String>,
    issuer: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// Reads the parameters. A provider may send others, but none of these twice.
    pub(in crate::http) fn read(text: &str) -> Result<Self, Problem> {
        let (mut answer, mut state) = (Self::default(), None);
        for (name, value) in query::pairs(text)? {
            let target = match &*name {
                "state" => &mut state,
                "code" => &mut answer.code,
                "iss" => &mut answer.issuer,
                "error" => &mut answer.error,
                _ => continue,
            };
            if target.replace(value.into_owned()).is_some() {
                return Err(Refused::NoAnswer.into());
            }
        }
        answer.state = state.ok_or(Refused::NoAnswer)?;
        Ok(answer)
    }
}

/// Who somebody is for a provider.
struct Person {
    subject: String,
    email: Option<String>,
    is_verified: bool,
    name: Option<String>,
}

impl Provider {
    pub(super) fn new(
        name: &str,
        section: &config::Provider,
        public_url: &str,
        client: &Client,
    ) -> Result<Self, String> {
        let secret = section.secret.as_ref().map(config::ClientSecret::read).transpose();
        let secret = secret.map_err(|error| format!("client secret: {error}"))?;
        let redirect = format!("{public_url}/auth/oidc/{name}/callback");
        Ok(Self {
            name: name.to_owned(),
            label: section.label.clone(),
            registration: Registration {
                issuer: IssuerUrl::new(section.issuer.clone()).map_err(|error| format!("issuer: {error}"))?,
                client_id: ClientId::new(section.client_id.clone()),
                secret: secret.map(ClientSecret::new),
                redirect: RedirectUrl::new(redirect).map_err(|error| format!("public_url: {error}"))?,
            },
            scopes: section.scopes.iter().cloned().map(Scope::new).collect(),
            http: client.towards(&section.issuer),
            cache: Mutex::default(),
        })
    }

    async fn known(&self, stale: Option<&Known>) -> Result<Arc<Known>, Refused> {
        let mut cache = self.cache.lock().await;
        cache.get(&self.registration, &self.http, stale).await
    }

    /// Where a browser is sent, and the state under which it comes back.
    pub(in crate::http) async fn begin(&self, binding: &Binding) -> Result<(String, String), Problem> {
        let known = self.known(None).await?;
        let state = binding::random()?;
        let (nonce, verifier) = (binding.nonce(&state), binding.verifier(&state));
        let csrf = CsrfToken::new(state.clone());
        let (url, ..) = known
            .client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || csrf, move || nonce)
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok((url.into(), state))
    }

    /// Who came back, as the provider says.
    pub(in crate::http) async fn finish(&self, answer: Answer, binding: &Binding) -> Result<Assertion, Refused> {
        let known = self.known(None).await?;
        self.check_issuer(&answer, &known)?;
        if let Some(error) = &answer.error {
            return Err(Refused::of_error(error));
        }
        let code = answer.code.ok_or(Refused::NoAnswer)?;
        let tokens = self.tokens(&known, code, binding, &answer.state).await?;
        let nonce = binding.nonce(&answer.state);
        let claims = match claims(&known, &tokens, &nonce) {
            // The provider may have new keys.
            Err(Unverified::UnknownKey) => claims(&*self.known(Some(&known)).await?, &tokens, &nonce),
            checked => checked,
        };
        let claims = claims.map_err(|error| self.bad_answer("id token", &error))?;
        let person = self.person(&known, &tokens, &claims).await?;
        Ok(self.assertion(person))
    }

    /// RFC 9207, 2.4: what says whose answer it is must say that it is this provider's, and a provider that says so elsewhere
    /// says so here.
    fn check_issuer(&self, answer: &Answer, known: &Known) -> Result<(), Refused> {
        match &answer.issuer {
            Some(issuer) if issuer == self.registration.issuer.as_str() => Ok(()),
            None if !known.names_itself => Ok(()),
            _ => Err(Refused::OtherIssuer),
        }
    }

    /// Exchanges the code.
    async fn tokens(
        &self,
        known: &Known,
        code: String,
        binding: &Binding,
        state: &str,
    ) -> Result<CoreTokenResponse, Refused> {
        let request = known.client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|error| self.bad_answer("token endpoint", &error))?;
        let exchanged = request
            .set_pkce_verifier(binding.verifier(state))
            .request_async(&self.http)
            .await;
        exchanged.map_err(|error| match &error {
            RequestTokenError::ServerResponse(refused) if *refused.error() == CoreErrorResponseType::InvalidGrant => {
                Refused::BadCode
            }
            RequestTokenError::Request(_) => {
                self.bad_answer("token endpoint", &error);
                Refused::Unreachable
            }
            _ => self.bad_answer("token endpoint", &error),
        })
    }

    /// What the token says; what it leaves out is asked for, as providers keep tokens small.
    async fn person(
        &self,
        known: &Known,
        tokens: &CoreTokenResponse,
        claims: &CoreIdTokenClaims,
    ) -> Result<Person, Refused> {
        let subject = claims.subject();
        if let (None, Ok(request)) = (
            claims.email(),
            known
                .client
                .user_info(tokens.access_token().clone(), Some(subject.clone())),
        ) {
            let told: Result<CoreUserInfoClaims, _> = request.request_async(&self.http).await;
            let told = told.map_err(|error| self.bad_answer("userinfo endpoint", &error))?;
            return Ok(Person {
                subject: subject.to_string(),
                email: told.email().map(|email| email.to_string()),
                is_verified: told.email_verified() == Some(true),
                name: told.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
            });
        }
        Ok(Person {
            subject: subject.to_string(),
            email: claims.email().map(|email| email.to_string()),
            is_verified: claims.email_verified() == Some(true),
            name: claims
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.to_string()),
        })
    }

    fn assertion(&self, person: Person) -> Assertion {
        let address = person.email.filter(|_| person.is_verified);
        Assertion {
            provider: self.name.clone(),
            issuer: self.registration.issuer.as_str().to_owned(),
            subject: person.subject,
            verified_address: address.and_then(|address| address.parse().ok()),
            name: person.name,
        }
    }

    fn bad_answer(&self, of: &str, error: &dyn std::error::Error) -> Refused {
        tracing::warn!(target: "http", provider = self.name, of, error = %chain(error), "a provider's answer is not valid");
        Refused::BadAnswer
    }
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
enum Unverified {
    #[error("it is signed with a key that is not known")]
    UnknownKey,
    #[error("there is none")]
    None,
    #[error(transparent)]
    Claims(ClaimsVerificationError),
    #[error(transparent)]
    Signature(#[from] SignatureVerificationError),
    #[error("the access token is not the one that it came with")]
    AccessToken,
    #[error("its subject is longer than {MAX_SUBJECT_BYTES} bytes")]
    Subject,
}

/// What the token says, if it is signed by the provider, for this host and this sign-in, and not too old.
fn claims(known: &Known, tokens: &CoreTokenResponse, nonce: &Nonce) -> Result<CoreIdTokenClaims, Unverified> {
    let token = tokens.id_token().ok_or(Unverified::None)?;
    let verifier = known.client.id_token_verifier().set_allowed_algs(SIGNATURES);
    let claims = token.claims(&verifier, nonce).map_err(|error| match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Unverified::UnknownKey
        }
        other => Unverified::Claims(other),
    })?;
    if let Some(expected) = claims.access_token_hash() {
        let key = token.signing_key(&verifier)?;
        let hash = AccessTokenHash::from_token(tokens.access_token(), token.signing_alg()?, key);
        if hash.ok().as_ref() != Some(expected) {
            return Err(Unverified::AccessToken);
        }
    }
    if claims.subject().len() > MAX_SUBJECT_BYTES {
        return Err(Unverified::Subject);
    }
    Ok(claims.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_read_and_not_believed_twice() {
        let answer = Answer::read("code=a%2Bb&state=s&iss=https%3A%2F%2Fa.example&session_state=x&scope=").unwrap();
        assert_eq!((answer.state.as_str(), answer.code.as_deref()), ("s", Some("a+b")));
        assert_eq!(answer.issuer.as_deref(), Some("https://a.example"));
        for bad in [
            "",
            "code=a",
            "state=s&state=s",
            "state=s&code=a&code=b",
            "state=s&iss=a&iss=a",
        ] {
            assert_eq!(Answer::read(bad).unwrap_err().code(), "malformed_answer", "{bad}");
        }
    }

    #[test]
    fn an_error_is_named_only_where_it_is_known() {
        assert_eq!(Refused::of_error("access_denied"), Refused::Denied);
        assert_eq!(Refused::of_error("login_required"), Refused::Failed("login_required"));
        let unknown = Refused::of_error("<script>alert(1)</script>").to_string();
        assert_eq!(unknown, "the provider answers with an error: an unknown one");
    }
}
