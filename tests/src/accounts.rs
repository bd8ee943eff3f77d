//! Accounts of a host: made by its operator, logged in as a person would.

use serde_json::json;

use crate::{Answer, Client, Host};

/// Argon2 as cheap as it gets, for `portcullis.toml`: what most tests test is not how long hashing takes.
pub const CHEAP_HASHING: &str = "[accounts.hashing]\nmemory_kib = 128\niterations = 1\n";

/// A password that is hard to guess.
pub const PASSWORD: &str = "plover quartz ninety lamp";
/// Another one.
pub const ANOTHER_PASSWORD: &str = "seventeen copper umbrellas";

impl Host {
    /// Makes an account with [`PASSWORD`]; returns its id.
    #[track_caller]
    pub fn account(&self, email: &str, roles: &[&str]) -> String {
        let new = json!({ "email": email, "password": PASSWORD, "roles": roles });
        self.admin().post("/admin/api/accounts", &new).expect(201).id()
    }

    /// Logs in.
    #[track_caller]
    pub fn login(&self, email: &str, password: &str) -> Answer {
        self.api()
            .post("/auth/login", &json!({ "email": email, "password": password }))
    }

    /// The token of a session that begins with [`PASSWORD`].
    #[track_caller]
    pub fn session(&self, email: &str) -> String {
        let answer = self.login(email, PASSWORD).expect(200).json();
        answer["token"]
            .as_str()
            .unwrap_or_else(|| panic!("a login gives a token: {answer}"))
            .to_owned()
    }

    /// A client of an account that is there, logged in.
    #[track_caller]
    pub fn member(&self, email: &str) -> Client {
        self.api().with_token(&self.session(email))
    }
}
