//! What passkeys are bound to: the host of the public URL (the "relying party" of WebAuthn), and the origin that alone may ask
//! for them. All that is said in WebAuthn is made and checked here.

use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{
    CreationChallengeResponse, DiscoverableAuthentication, Passkey as Key, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, RequestChallengeResponse, Url, Webauthn, WebauthnBuilder, WebauthnError,
};

use super::Passkey;
use crate::accounts::account::Account;
use crate::accounts::error::Error;
use crate::accounts::manage::MAX_NAME_BYTES;

/// The largest answer of a browser, as JSON: it is stored in part, and nobody needs more.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// The longest credential id (WebAuthn, 4).
const MAX_ID_BYTES: usize = 1023;

/// What passkeys are bound to.
pub(in crate::accounts) struct RelyingParty(Webauthn);

/// A browser's answer that a passkey has signed; what it says is not yet checked.
#[derive(Debug)]
pub struct PasskeyAnswer(PublicKeyCredential);

/// A passkey that a browser has made; what it says is not yet checked.
#[derive(Debug)]
pub struct NewPasskey {
    /// What its owner calls it.
    pub(super) name: Option<String>,
    answer: RegisterPublicKeyCredential,
}

/// What comes of an answer.
pub(super) enum Checked {
    /// The passkey has signed, and its owner was there. The passkey knows its counter.
    Right,
    /// Something is wrong.
    Wrong,
    /// The counter did not go on from where it was: somebody else may have the same key.
    Copied,
}

impl RelyingParty {
    /// The one of a public URL; none where browsers have no passkeys: on addresses that are no names, and without TLS, but for
    /// this machine itself.
    pub(in crate::accounts) fn new(public_url: &str, name: &str) -> Option<Self> {
        let origin = Url::parse(public_url).ok()?;
        let domain = origin.domain()?;
        let is_here = domain == "localhost" || domain.ends_with(".localhost");
        if origin.scheme() != "https" && !is_here {
            return None;
        }
        let builder = WebauthnBuilder::new(domain, &origin).ok()?;
        Some(Self(builder.rp_name(name).build().ok()?))
    }

    /// What a browser makes a passkey with (`PublicKeyCredentialCreationOptionsJSON`), and what is to be remembered. It makes
    /// none where one of those that the account has is at hand.
    pub(super) fn offer(&self, account: &Account, held: &[Passkey]) -> Result<(Value, PasskeyRegistration), Error> {
        let ids = held.iter().map(|passkey| passkey.key.cred_id().clone()).collect();
        let address = account.address.as_str();
        let name = account
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or(address);
        let begun = self.0.start_passkey_registration(account.id, address, name, Some(ids));
        let (CreationChallengeResponse { public_key }, state) = begun.map_err(internal)?;
        let mut options = serde_json::to_value(public_key).map_err(|error| Error::Internal(error.to_string()))?;
        // It must know whose it is, as nobody types an address to log in with it. What it stores for that is what the library
        // would rather save.
        let selection = &mut options["authenticatorSelection"];
        selection["residentKey"] = "required".into();
        selection["requireResidentKey"] = true.into();
        Ok((options, state))
    }

    /// The passkey that a browser has made.
    pub(super) fn accept(&self, new: &NewPasskey, state: &PasskeyRegistration) -> Option<Key> {
        let accepted = self.0.finish_passkey_registration(&new.answer, state);
        accepted
            .inspect_err(|error| tracing::debug!(target: "accounts", %error, "a new passkey is refused"))
            .ok()
    }

    /// What a browser asks a passkey with (`PublicKeyCredentialRequestOptionsJSON`), and what is to be remembered: one of those
    /// that are given, or any where there are none.
    pub(super) fn ask(&self, held: &[Passkey]) -> Result<(Value, DiscoverableAuthentication), Error> {
        let (RequestChallengeResponse { mut public_key, .. }, state) =
            self.0.start_discoverable_authentication().map_err(internal)?;
        if !held.is_empty() {
            let keys: Vec<Key> = held.iter().map(|passkey| passkey.key.clone()).collect();
            let (named, _) = self.0.start_passkey_authentication(&keys).map_err(internal)?;
            public_key.allow_credentials = named.public_key.allow_credentials;
        }
        let options = serde_json::to_value(public_key).map_err(|error| Error::Internal(error.to_string()))?;
        Ok((options, state))
    }

    /// Checks what a passkey has signed, and moves its counter on.
    pub(super) fn check(&self, answer: &PasskeyAnswer, state: &DiscoverableAuthentication, key: &mut Key) -> Checked {
        // The library looks for this when a passkey is made, and not when it is used.
        if answer.is_framed() {
            return Checked::Wrong;
        }
        let checked = self
            .0
            .finish_discoverable_authentication_v2(&answer.0, state.clone(), &*key);
        match checked {
            Ok(result) => {
                key.update_credential(&result);
                Checked::Right
            }
            Err(WebauthnError::CredentialPossibleCompromise) => Checked::Copied,
            Err(error) => {
                tracing::debug!(target: "accounts", %error, "the answer of a passkey is refused");
                Checked::Wrong
            }
        }
    }
}

impl NewPasskey {
    /// Reads what a browser has made (`RegistrationResponseJSON`), and what it is to be called.
    pub fn read(name: Option<String>, answer: &Value) -> Result<Self, Error> {
        let is_name =
            |name: &String| !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control);
        if !name.as_ref().is_none_or(is_name) {
            let message = format!("a name has 1 to {MAX_NAME_BYTES} bytes, and no control characters");
            return Err(Error::invalid("/name", message));
        }
        let pointer = "/credential";
        let answer: RegisterPublicKeyCredential = parse(answer, pointer)?;
        if answer.raw_id.len() > MAX_ID_BYTES {
            let message = format!("the id of a credential has at most {MAX_ID_BYTES} bytes");
            return Err(Error::invalid(pointer, message));
        }
        Ok(Self { name, answer })
    }
}

impl PasskeyAnswer {
    /// Reads the answer of a browser (`AuthenticationResponseJSON`), which stands at a JSON Pointer.
    pub fn read(answer: &Value, pointer: &str) -> Result<Self, Error> {
        Ok(Self(parse(answer, pointer)?))
    }

    /// The credential that it says it is of.
    pub(super) fn credential(&self) -> &[u8] {
        &self.0.raw_id
    }

    /// Whose it says it is. It is not signed, so it only says where to look.
    pub(super) fn owner(&self) -> Option<Uuid> {
        self.0.get_user_unique_id().and_then(|id| Uuid::from_slice(id).ok())
    }

    /// Whether it comes from a frame in a page of somebody else's, where people don't see whom they answer.
    fn is_framed(&self) -> bool {
        let said: Value = serde_json::from_slice(&self.0.response.client_data_json).unwrap_or_default();
        !matches!(said.get("crossOrigin"), None | Some(Value::Bool(false)))
    }
}

fn parse<T: DeserializeOwned>(answer: &Value, pointer: &str) -> Result<T, Error> {
    let refused = |reason: String| {
        let what = "this is not what `toJSON()` makes of a credential";
        Error::invalid(pointer, format!("{what}: {reason}"))
    };
    if answer.to_string().len() > MAX_ANSWER_BYTES {
        return Err(refused(format!("it has more than {MAX_ANSWER_BYTES} bytes")));
    }
    T::deserialize(answer).map_err(|error| refused(error.to_string()))
}

fn internal(error: WebauthnError) -> Error {
    Error::Internal(format!("WebAuthn: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn passkeys_are_bound_to_a_name_that_is_reached_over_tls_or_to_this_machine() {
        for good in [
            "https://shop.example.org",
            "https://shop.example.org:8443",
            "http://localhost:8080",
            "http://shop.localhost",
        ] {
            assert!(RelyingParty::new(good, "shop").is_some(), "{good}");
        }
        for bad in [
            "http://shop.example.org",
            "https://192.0.2.1",
            "http://127.0.0.1:8080",
            "https://[::1]",
            "http://notlocalhost",
        ] {
            assert!(RelyingParty::new(bad, "shop").is_none(), "{bad}");
        }
    }

    #[test]
    fn any_passkey_is_asked_for_where_none_is_named() {
        let party = RelyingParty::new("https://shop.example.org:8443", "shop").unwrap();
        let (options, _) = party.ask(&[]).unwrap();
        let (again, _) = party.ask(&[]).unwrap();
        assert_eq!(options["rpId"], "shop.example.org");
        assert_eq!(options["allowCredentials"], json!([]));
        assert_eq!(options["userVerification"], "required");
        assert_ne!(options["challenge"], again["challenge"]);
    }
}
