//! A host behind a known address, and a provider that people sign in with.

use portcullis_tests::{Answer, CHEAP_HASHING, Host};
use serde_json::{Value, json};

use crate::{Front, Provider, Visitor};

/// Where the provider sends people back to.
pub const CALLBACK: &str = "/auth/oidc/example/callback";

/// A host behind a known address, and a provider that it knows as `example`.
#[derive(Debug)]
pub struct Scene {
    /// What `public_url` names.
    pub front: Front,
    /// The provider.
    pub provider: Provider,
    /// The host.
    pub host: Host,
}

/// A person for whose address the provider vouches.
pub fn ada() -> Value {
    json!({ "sub": "ada", "email": "ada@example.org", "email_verified": true, "name": "Ada Lovelace" })
}

impl Scene {
    /// With a provider that has what it knows asked for.
    #[track_caller]
    pub fn start() -> Self {
        let front = Front::open();
        let provider = Provider::start("example", &front.url());
        Self::of(front, provider, "")
    }

    /// With this provider, and more at the end of the configuration.
    #[track_caller]
    pub fn of(front: Front, provider: Provider, more: &str) -> Self {
        let (name, secret) = Provider::variable();
        let config = format!(
            "{CHEAP_HASHING}[server]\npublic_url = \"{}\"\n{}{more}",
            front.url(),
            provider.config()
        );
        let host = Host::init().with_config(&config).with_variable(name, secret).start();
        front.lead_to(&host);
        Self { front, provider, host }
    }

    /// A path of the host, as browsers know it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.front.url())
    }

    /// Goes to the provider and comes back: what the host answers then.
    #[track_caller]
    pub fn sign_in(&self, visitor: &mut Visitor, person: &Value) -> Answer {
        self.provider.person(person);
        visitor.follow(&self.url("/auth/oidc/example"))
    }

    /// The address that the provider sends a browser back to, not yet opened.
    #[track_caller]
    pub fn way_back(&self, visitor: &mut Visitor, start: &str) -> String {
        visitor.until(start, &self.url(CALLBACK))
    }

    /// Begins to link; the browser is at the provider then.
    #[track_caller]
    pub fn begin_to_link(&self, visitor: &mut Visitor, token: &str) -> String {
        let begun = self
            .host
            .api()
            .with_token(token)
            .post("/auth/identities", &json!({ "provider": "example" }))
            .expect(200);
        visitor.take(&self.front.url(), &begun);
        begun.json()["authorization_url"]
            .as_str()
            .expect("an address to go to")
            .to_owned()
    }
}
