//! An OpenID provider that lies: whose token is not in order gets nobody in, and none is kept.

use std::fs;
use std::path::Path;

use portcullis_peers::{Forger, Front, Provider, Visitor};
use portcullis_tests::{CHEAP_HASHING, Host, Setup, scratch};
use serde_json::json;

fn setup(front: &Front, forger: &Forger) -> Setup {
    let config = format!(
        "{CHEAP_HASHING}[server]\npublic_url = \"{}\"\n{}",
        front.url(),
        forger.config()
    );
    let (name, secret) = Provider::variable();
    Host::init().with_config(&config).with_variable(name, secret)
}

/// Where a sign-in begins.
fn start(front: &Front) -> String {
    format!("{}/auth/oidc/example", front.url())
}

#[test]
fn a_token_that_is_not_in_order_gets_nobody_in() {
    let (front, forger) = (Front::open(), Forger::start());
    let host = setup(&front, &forger).start();
    front.lead_to(&host);
    let eve = json!({ "sub": "eve", "email": "eve@example.org" });
    for (key, change, reason) in [
        ("another", json!({}), "Crypto error"),
        ("secret", json!({}), "Disallowed signature algorithm"),
        ("none", json!({}), "No signature found"),
        ("own", json!({ "iss": "https://other.example" }), "Invalid issuer"),
        ("own", json!({ "aud": "another client" }), "Invalid audiences"),
        (
            "own",
            json!({ "aud": ["portcullis", "another client"] }),
            "Invalid audiences",
        ),
        ("own", json!({ "exp": 1_000_000_000 }), "Expired"),
        ("own", json!({ "nonce": "of somebody else" }), "Invalid nonce"),
        ("own", json!({ "nonce": null }), "Invalid nonce"),
        (
            "own",
            json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
            "the access token is not the one",
        ),
        (
            "own",
            json!({ "sub": "e".repeat(256) }),
            "its subject is longer than 255 bytes",
        ),
    ] {
        let mut claims = eve.clone();
        for (name, value) in change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        forger.forge(&json!({ "key": key, "claims": claims }));
        let said = host.log().len();
        Visitor::default()
            .follow(&start(&front))
            .expect_problem(502, "provider_malformed");
        host.wait_until(reason, || host.log()[said..].contains(reason));
    }
    let accounts = host.admin().get("/admin/api/accounts").expect(200).json();
    assert_eq!(accounts["items"], json!([]), "nobody got in");
    // Without a lie it is as good as another.
    forger.forge(&json!({ "claims": eve }));
    let eve = Visitor::default().follow(&start(&front)).expect(200).json();
    assert_eq!(eve["account"]["email"], "eve@example.org");
}

#[test]
fn of_a_provider_nothing_is_kept_but_who_somebody_is() {
    let (front, forger) = (Front::open(), Forger::start());
    let mut host = setup(&front, &forger).start();
    front.lead_to(&host);
    forger.forge(&json!({ "claims": { "sub": "ada-at-the-forger" } }));
    Visitor::default().follow(&start(&front)).expect(200);
    host.terminate();
    let data = host.setup().directory().join("data");
    assert!(holds(&data, "ada-at-the-forger"), "what is kept can be found");
    for secret in [
        "a-code-of-the-forger",
        "an-access-token-of-the-forger",
        "eyJhbGciOiJSUzI1NiIs",
    ] {
        assert!(!holds(&data, secret), "{secret} is kept");
    }
}

/// Whether a file of this folder, or of one in it, holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    let mut files = fs::read_dir(folder).expect("the folder can be read");
    files.any(|file| {
        let path = file.expect("the folder can be read").path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = fs::read(&path).expect("the file can be read");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Fails the test unless nobody can sign in, and the log says why.
#[track_caller]
fn is_unavailable(front: &Front, host: &Host, reason: &str) {
    Visitor::default()
        .visit(&start(front))
        .expect_problem(503, "provider_unavailable");
    host.wait_for_log(reason);
}

#[test]
fn a_provider_that_says_it_is_another_one_is_not_asked() {
    let (front, forger) = (Front::open(), Forger::start_as("https://accounts.example"));
    let host = setup(&front, &forger).start();
    front.lead_to(&host);
    is_unavailable(&front, &host, "unexpected issuer");
}

#[test]
fn nobody_is_sent_to_a_provider_whose_certificate_is_not_trusted() {
    let (front, folder) = (Front::open(), scratch());
    let forger = Forger::start_with_tls(folder.path());
    let host = setup(&front, &forger).start();
    front.lead_to(&host);
    is_unavailable(&front, &host, "invalid peer certificate");

    let certificate = folder.path().join("certificate.pem").display().to_string();
    let front = Front::open();
    let trusting = setup(&front, &forger)
        .with_variable("SSL_CERT_FILE", &certificate)
        .start();
    front.lead_to(&trusting);
    let there = Visitor::default().visit(&start(&front)).expect(302).location();
    assert!(there.starts_with("https://127.0.0.1:"), "{there}");
}
