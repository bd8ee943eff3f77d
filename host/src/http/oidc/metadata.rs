//! What is known of a provider: its endpoints and its keys, fetched when they are first needed and kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IssuerUrl, ProviderMetadata, RedirectUrl,
};
use serde::{Deserialize, Serialize};

use super::refused::Refused;
use crate::http::client::Client;

/// How long it is good.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How often at most it is fetched, whether that succeeds or not.
const PAUSE: Duration = Duration::from_secs(5);

/// The signatures that are accepted: none that is made with the client's own secret, and not the lack of one.
pub(super) const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What RFC 9207 adds to the metadata of a provider.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Rfc9207 {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Rfc9207 {}

type Metadata = ProviderMetadata<
    Rfc9207,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The crate's client of a provider with these endpoints.
type RelyingParty =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// What the host is at a provider.
pub(super) struct Registration {
    pub(super) issuer: IssuerUrl,
    pub(super) client_id: ClientId,
    pub(super) secret: Option<ClientSecret>,
    pub(super) redirect: RedirectUrl,
}

/// What is known of a provider.
pub(super) struct Known {
    pub(super) client: RelyingParty,
    /// Whether its answers say whose they are.
    pub(super) names_itself: bool,
    fetched: Instant,
}

/// What is known, or when it was tried in vain to know it.
#[derive(Default)]
pub(super) struct Cache {
    known: Option<Arc<Known>>,
    tried: Option<Instant>,
}

impl Cache {
    /// What is known; fetched where it is too old. With `stale`, that one is too old as well.
    pub(super) async fn get(
        &mut self,
        registration: &Registration,
        http: &Client,
        stale: Option<&Known>,
    ) -> Result<Arc<Known>, Refused> {
        let is_good = |known: &Known| {
            known.fetched.elapsed() < LIFETIME && stale.is_none_or(|stale| known.fetched > stale.fetched)
        };
        if let Some(known) = self.known.as_ref().filter(|known| is_good(known)) {
            return Ok(Arc::clone(known));
        }
        if self.tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
            return Err(Refused::Unreachable);
        }
        self.tried = Some(Instant::now());
        let known = Arc::new(fetch(registration, http).await?);
        self.known = Some(Arc::clone(&known));
        Ok(known)
    }
}

async fn fetch(registration: &Registration, http: &Client) -> Result<Known, Refused> {
    let issuer = &registration.issuer;
    let metadata = Metadata::discover_async(issuer.clone(), http).await.map_err(|error| {
        tracing::warn!(target: "http", issuer = %issuer.as_str(), error = %chain(&error), "a provider's metadata can't be fetched");
        Refused::Unreachable
    })?;
    // People are sent there, and what they type is not to be read on the way.
    let endpoint = metadata.authorization_endpoint().as_str().parse();
    if !endpoint.is_ok_and(|endpoint| http.may_go_to(&endpoint)) {
        tracing::warn!(target: "http", issuer = %issuer.as_str(), "a provider's authorization endpoint is not encrypted");
        return Err(Refused::BadAnswer);
    }
    let methods = metadata.token_endpoint_auth_methods_supported();
    let in_body = registration.secret.is_none()
        || methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
    let names_itself = metadata
        .additional_metadata()
        .authorization_response_iss_parameter_supported;
    let client =
        CoreClient::from_provider_metadata(metadata, registration.client_id.clone(), registration.secret.clone())
            .set_redirect_uri(registration.redirect.clone())
            .set_auth_type(if in_body {
                AuthType::RequestBody
            } else {
                AuthType::BasicAuth
            });
    Ok(Known {
        client,
        names_itself,
        fetched: Instant::now(),
    })
}

/// An error with what caused it, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
