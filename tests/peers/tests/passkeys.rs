//! Passkeys with a real browser and its virtual authenticator: what a person does with them, and what an attacker tries.

use portcullis_peers::{Authenticator, Chromium, Front};
use portcullis_tests::{Answer, CHEAP_HASHING, Client, Host, PASSWORD};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";

/// Has the browser make a passkey, or ask for one, as the page of an application does; what it answers, or the name of the error.
const CEREMONY: &str = "const [kind, options, done] = arguments;
    const asked = kind === 'create'
        ? { publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }
        : { publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) };
    navigator.credentials[kind](asked).then(made => done(made.toJSON()), error => done(error.name));";

/// A host, and a browser that has a page of it open.
struct Scene {
    front: Front,
    host: Host,
    chromium: Chromium,
}

impl Scene {
    fn new() -> Self {
        let front = Front::open();
        let config = format!("{CHEAP_HASHING}[server]\npublic_url = \"{}\"\n", front.url());
        let host = Host::init().with_config(&config).start();
        front.lead_to(&host);
        let chromium = Chromium::start();
        chromium.open(&format!("{}/account/reset?token=none", front.url()));
        Self { front, host, chromium }
    }

    #[track_caller]
    fn browser(&self, kind: &str, options: &Value) -> Value {
        self.chromium.script_later(CEREMONY, vec![kind.into(), options.clone()])
    }

    /// Ada, logged in, with a passkey in the authenticator.
    #[track_caller]
    fn ada(&self) -> Client {
        self.host.account(ADA, &[]);
        let ada = self.host.member(ADA);
        let options = ada.post("/auth/passkeys/options", &json!({})).expect(200).json();
        let made = self.browser("create", &options);
        assert!(made.is_object(), "the browser makes none: {made}");
        let new = json!({ "name": "This laptop", "credential": made });
        let added = ada.post("/auth/passkeys", &new).expect(201);
        assert_eq!(added.json()["recovery_codes"].as_array().map(Vec::len), Some(10));
        // The session may do more than before, so it has another token.
        ada.get("/auth/me").expect_problem(401, "unauthenticated");
        self.host.with_token_of(&added)
    }

    /// Asks for options for anybody: the token, and what the browser answers.
    #[track_caller]
    fn signed(&self) -> (Value, Value) {
        let asked = self.host.post("/auth/login/passkey/options", &json!({})).expect(200);
        let asked = asked.json();
        let signed = self.browser("get", &asked["options"]);
        (asked["challenge"].clone(), signed)
    }

    #[track_caller]
    fn log_in(&self, challenge: &Value, credential: &Value) -> Answer {
        let body = json!({ "challenge": challenge, "credential": credential });
        self.host.post("/auth/login/passkey", &body)
    }
}

#[track_caller]
fn held(authenticator: &Authenticator<'_>) -> Value {
    let credentials = authenticator.credentials();
    assert_eq!(credentials.len(), 1, "{credentials:?}");
    credentials[0].clone()
}

#[test]
fn a_person_logs_in_with_a_passkey_alone_and_its_answer_counts_once() {
    let scene = Scene::new();
    let authenticator = scene.chromium.authenticator();
    let ada = scene.ada();
    assert_eq!(held(&authenticator)["isResidentCredential"], true);
    let list = ada.get("/auth/passkeys").expect(200).json();
    assert_eq!(list["items"][0]["name"], "This laptop");
    assert_eq!(list["items"][0]["last_used_at"], Value::Null);

    let (challenge, signed) = scene.signed();
    let login = scene.log_in(&challenge, &signed).expect(200);
    let again = scene.host.with_token_of(&login);
    assert_eq!(again.get("/auth/me").expect(200).json()["email"], ADA);
    assert_ne!(
        ada.get("/auth/passkeys").expect(200).json()["items"][0]["last_used_at"],
        Value::Null
    );
    // Sent again, and sent for what was asked afterwards.
    scene.log_in(&challenge, &signed).expect_problem(410, "options_spent");
    let (another, _) = scene.signed();
    scene.log_in(&another, &signed).expect_problem(401, "bad_passkey");
    // The session may be in a cookie.
    let (challenge, signed) = scene.signed();
    let body = json!({ "challenge": challenge, "credential": signed, "session": "cookie" });
    let login = scene.host.post("/auth/login/passkey", &body).expect(200);
    assert!(login.json().get("token").is_none() && login.header("set-cookie").is_some());
    let activity = ada.get("/auth/activity").expect(200).json();
    assert_eq!(activity["items"][0]["method"], "passkey");
}

#[test]
fn a_passkey_is_the_second_factor_behind_a_password() {
    let scene = Scene::new();
    let _authenticator = scene.chromium.authenticator();
    scene.ada();
    let asked = scene.host.login(ADA, PASSWORD).expect(200).json();
    assert_eq!(asked["second_factor"]["methods"], json!(["passkey", "recovery"]));
    let challenge = &asked["second_factor"]["challenge"];
    let options = scene
        .host
        .post("/auth/login/passkey/options", &json!({ "challenge": challenge }))
        .expect(200)
        .json();
    assert_eq!(options["challenge"], *challenge);
    assert_eq!(options["options"]["allowCredentials"].as_array().map(Vec::len), Some(1));
    let signed = scene.browser("get", &options["options"]);
    let verify = |more: Value| {
        let mut body = json!({ "challenge": challenge, "method": "passkey" });
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        scene.host.post("/auth/login/verify", &body)
    };
    verify(json!({})).expect_problem(422, "invalid");
    verify(json!({ "code": "000000" })).expect_problem(422, "invalid");
    verify(json!({ "credential": {} })).expect_problem(422, "invalid");
    let login = verify(json!({ "credential": signed })).expect(200);
    scene.host.with_token_of(&login).get("/auth/me").expect(200);
    verify(json!({ "credential": signed })).expect_problem(410, "challenge_spent");
}

#[test]
fn a_passkey_proves_again_who_asks_and_is_removed_then() {
    let scene = Scene::new();
    let _authenticator = scene.chromium.authenticator();
    let ada = scene.ada();
    // The browser makes no second one in the same device.
    let options = ada.post("/auth/passkeys/options", &json!({})).expect(200).json();
    assert_eq!(scene.browser("create", &options), "InvalidStateError");

    let options = ada.post("/auth/reauthenticate/options", &json!({})).expect(200).json();
    let signed = scene.browser("get", &options);
    let body = json!({ "passkey": signed });
    let proved = ada.post("/auth/reauthenticate", &body).expect(200);
    ada.get("/auth/me").expect(401);
    let ada = scene.host.with_token_of(&proved);
    ada.post("/auth/reauthenticate", &body)
        .expect_problem(410, "options_spent");

    let list = ada.get("/auth/passkeys").expect(200).json();
    let path = format!("/auth/passkeys/{}", list["items"][0]["id"].as_str().expect("an id"));
    ada.delete(&path).expect(204);
    ada.delete(&path).expect_problem(404, "not_found");
    // The device has it still, and it is good for nothing.
    let (challenge, signed) = scene.signed();
    scene.log_in(&challenge, &signed).expect_problem(401, "bad_passkey");
    let login = scene.host.login(ADA, PASSWORD).expect(200).json();
    assert!(login["token"].is_string(), "a password is enough again: {login}");
}

#[test]
fn a_page_of_another_origin_gets_nothing_that_is_taken_here() {
    let scene = Scene::new();
    let _authenticator = scene.chromium.authenticator();
    let ada = scene.ada();
    // Another port of the same name: the browser answers, as passkeys are bound to names, and the host does not take it.
    let other = Front::open();
    other.lead_to(&scene.host);
    assert_ne!(other.url(), scene.front.url());
    scene
        .chromium
        .open(&format!("{}/account/reset?token=none", other.url()));
    let (challenge, signed) = scene.signed();
    assert!(signed.is_object(), "{signed}");
    scene.log_in(&challenge, &signed).expect_problem(401, "bad_passkey");
    scene.log_in(&challenge, &signed).expect_problem(410, "options_spent");
    let options = ada.post("/auth/reauthenticate/options", &json!({})).expect(200).json();
    let body = json!({ "passkey": scene.browser("get", &options) });
    ada.post("/auth/reauthenticate", &body)
        .expect_problem(401, "bad_passkey");
    // Another name: the browser does not even ask.
    let elsewhere = scene.front.url().replace("localhost", "127.0.0.1");
    scene.chromium.open(&format!("{elsewhere}/account/reset?token=none"));
    let (_, refused) = scene.signed();
    assert!(!refused.is_object(), "{refused}");
}
