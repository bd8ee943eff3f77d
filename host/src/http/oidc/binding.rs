//! What binds a sign-in to the browser that began it: a random secret in a cookie. Nobody can finish in another browser what
//! was begun in this one, so nobody is signed in as somebody else without noticing. The nonce and the verifier of PKCE are
//! made of it, so that the store alone does not suffice to finish anything.

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use openidconnect::{Nonce, PkceCodeVerifier};
use sha2::{Digest as _, Sha256};

use crate::http::problem::Problem;

/// The prefix has browsers take the cookie only from this host, encrypted, and for all its paths.
const NAME: &str = "__Host-portcullis-sign-in";
/// As long as a sign-in may take.
const MAX_AGE_S: u32 = 600;
const SECRET_BYTES: usize = 32;

/// The secret of a browser.
pub(in crate::http) struct Binding(String);

impl Binding {
    /// That of the browser that asks, or of a new one. A browser has one for all sign-ins that it has under way.
    pub(in crate::http) fn of_or_new(headers: &HeaderMap) -> Result<Self, Problem> {
        match Self::of(headers) {
            Some(binding) => Ok(binding),
            None => Ok(Self(random()?)),
        }
    }

    /// That of the browser that asks.
    pub(in crate::http) fn of(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut found = cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim_start().strip_prefix(NAME)?.strip_prefix('='));
        let secret = found.next()?;
        // Two of one name are a trick of somebody.
        let is_one = found.next().is_none() && BASE64URL_NOPAD.decode(secret.as_bytes()).ok()?.len() == SECRET_BYTES;
        is_one.then(|| Self(secret.to_owned()))
    }

    /// The secret itself.
    pub(in crate::http) fn secret(&self) -> &str {
        &self.0
    }

    /// The cookie, for as long as a sign-in may take.
    pub(in crate::http) fn cookie(&self) -> Result<HeaderValue, Problem> {
        let cookie = format!(
            "{NAME}={}; Path=/; Max-Age={MAX_AGE_S}; Secure; HttpOnly; SameSite=Lax",
            self.0
        );
        HeaderValue::try_from(cookie).map_err(|_| Problem::internal())
    }

    /// What the provider must say in its token, so that a token of another sign-in is refused.
    pub(super) fn nonce(&self, state: &str) -> Nonce {
        Nonce::new(self.derive("nonce", state))
    }

    /// What the provider wants to see before it gives the token for a code.
    pub(super) fn verifier(&self, state: &str) -> PkceCodeVerifier {
        PkceCodeVerifier::new(self.derive("verifier", state))
    }

    /// The secret has one length, and no purpose begins as another does.
    fn derive(&self, purpose: &str, state: &str) -> String {
        let digest = Sha256::new()
            .chain_update(&self.0)
            .chain_update(purpose)
            .chain_update(state);
        BASE64URL_NOPAD.encode(&digest.finalize())
    }
}

/// 256 random bits, as text.
pub(super) fn random() -> Result<String, Problem> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(target: "http", %error, "there are no random numbers");
        Problem::internal()
    })?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cookies: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_str(cookie).unwrap());
        }
        Binding::of(&headers).map(|binding| binding.0)
    }

    #[test]
    fn the_cookie_that_a_browser_was_given_is_known_among_others() {
        let binding = Binding(random().unwrap());
        let cookie = binding.cookie().unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(of(&[&pair]).as_deref(), Some(binding.secret()));
        assert_eq!(
            of(&["a=b", &format!("c=d; {pair}; e=f")]).as_deref(),
            Some(binding.secret())
        );
    }

    #[test]
    fn a_forged_cookie_is_none() {
        let secret = random().unwrap();
        for forged in [
            String::new(),
            format!("{NAME}="),
            format!("{NAME}={}", &secret[1..]),
            format!("{NAME}={secret}; {NAME}={secret}"),
            format!("x{NAME}={secret}"),
            format!("{NAME}x={secret}"),
            format!("{NAME}=\"{secret}\""),
        ] {
            assert_eq!(of(&[&forged]), None, "{forged}");
        }
    }

    #[test]
    fn each_sign_in_of_a_browser_has_its_own_nonce_and_verifier() {
        let binding = Binding(random().unwrap());
        let (one, other) = (binding.nonce("one"), binding.nonce("other"));
        assert_ne!(one.secret(), other.secret());
        assert_ne!(one.secret(), binding.verifier("one").secret());
        assert_eq!(one.secret(), binding.nonce("one").secret());
    }
}
