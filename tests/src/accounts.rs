//! Accounts of a host: made by its operator, logged in as a person would.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use totp_rs::{Builder, Secret};

use crate::{Answer, Client, Host};

/// Argon2 as cheap as it gets, for `portcullis.toml`: what most tests test is not how long hashing takes.
pub const CHEAP_HASHING: &str = "[accounts.hashing]\nmemory_kib = 128\niterations = 1\n";

/// A password that is hard to guess.
pub const PASSWORD: &str = "plover quartz ninety lamp";
/// Another one.
pub const ANOTHER_PASSWORD: &str = "seventeen copper umbrellas";

/// No limit on logins, nor on how often one network asks: what does many things from one place is not what is tested.
pub const UNLIMITED_ATTEMPTS: &str = "[accounts.attempts]\nper_account = 0\nper_network = 0\n\
     [rates]\napi = { per_second = 0 }\nauth = { per_second = 0 }\nmail = { per_second = 0 }\naccount = { per_second = 0 }\n";

/// An app for one-time codes.
#[derive(Clone, Debug)]
pub struct App {
    secret: String,
    /// The step of the last code that it has shown.
    shown: u64,
}

impl App {
    /// The app, once it has scanned what `POST /auth/totp` answers.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            shown: 0,
        }
    }

    /// A code that was not shown before. No code is good twice, so this one may be that of the next half minute, which a host
    /// takes as well; where that was shown already, it waits.
    pub fn code(&mut self) -> String {
        loop {
            let now_s = now_s();
            let step = (now_s / 30).max(self.shown + 1);
            if step <= now_s / 30 + 1 {
                self.shown = step;
                return self.code_at(step * 30);
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }

    /// A code that is none, nor becomes one while a test uses it: by chance, any fixed one may be right.
    pub fn wrong_code(&self) -> String {
        let step = now_s() / 30;
        let near: Vec<String> = (step - 2..step + 20).map(|step| self.code_at(step * 30)).collect();
        let mut codes = (0..100).map(|number| format!("{number:06}"));
        codes.find(|code| !near.contains(code)).expect("most codes are wrong")
    }

    /// The code of a time.
    pub fn code_at(&self, time_s: u64) -> String {
        let secret = Secret::try_from_base32(&self.secret).expect("a secret is base32");
        let totp = Builder::new().with_secret(secret).with_account_name("app").build();
        totp.expect("a secret has 160 bits").generate(time_s).to_string()
    }
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

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

    /// The cookie of a browser that logs in with [`PASSWORD`]: `NAME=VALUE`. Fails the test where other hosts, scripts or
    /// whoever listens could get at it.
    #[track_caller]
    pub fn cookie(&self, email: &str) -> String {
        let login = json!({ "email": email, "password": PASSWORD, "session": "cookie" });
        let answer = self.post("/auth/login", &login).expect(200);
        assert!(
            answer.json().get("token").is_none(),
            "the secret is in the cookie or in the answer, never in both"
        );
        let set = answer.header("set-cookie").expect("a cookie").to_owned();
        for said in [
            "__Host-portcullis=pcs_",
            "; Path=/",
            "; Secure",
            "; HttpOnly",
            "; SameSite=Lax",
        ] {
            assert!(set.contains(said), "{said} is not in {set}");
        }
        set.split(';').next().expect("a cookie").to_owned()
    }

    /// The same client with the token of an answer that gives one.
    #[track_caller]
    pub fn with_token_of(&self, answer: &Answer) -> Client {
        let json = answer.json();
        let token = json["token"].as_str();
        self.api()
            .with_token(token.unwrap_or_else(|| panic!("no token is in {json}")))
    }

    /// Turns on one-time codes for a session that has begun just now, and has another token from then on: the app, and the
    /// recovery codes.
    #[track_caller]
    pub fn turn_on_codes(&self, client: &mut Client) -> (App, Vec<String>) {
        let offer = client.post("/auth/totp", &json!({})).expect(200).json();
        let mut app = App::new(offer["secret"].as_str().expect("a secret"));
        let confirmed = client.post("/auth/totp/confirm", &json!({ "code": app.code() }));
        let confirmed = confirmed.expect(200);
        client.get("/auth/me").expect_problem(401, "unauthenticated");
        *client = self.with_token_of(&confirmed);
        let codes = confirmed.json()["recovery_codes"].clone();
        let codes = codes.as_array().expect("recovery codes").iter();
        let codes = codes.filter_map(|code| code.as_str().map(str::to_owned)).collect();
        (app, codes)
    }

    /// The challenge of a login with [`PASSWORD`] that goes on with a second factor.
    #[track_caller]
    pub fn challenge(&self, email: &str) -> String {
        let answer = self.login(email, PASSWORD).expect(200).json();
        let challenge = answer["second_factor"]["challenge"].as_str();
        challenge
            .unwrap_or_else(|| panic!("no second factor is asked for: {answer}"))
            .to_owned()
    }

    /// A client of an account that is there, logged in.
    #[track_caller]
    pub fn member(&self, email: &str) -> Client {
        self.api().with_token(&self.session(email))
    }
}
