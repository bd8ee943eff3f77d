//! A `Host` that is forged, beside a public URL that is known: whatever host a client says that it asks, nothing leads there.

use portcullis_tests::{ANOTHER_PASSWORD, Answer, CHEAP_HASHING, Host, PASSWORD, Plugin, Request, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

use super::{ADA, TRUSTING, exchange, with_server};

const PUBLIC: &str = "https://shop.example.org";
/// All that has ever been taken for the host that is asked.
const FORGED: [(&str, &str); 4] = [
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-host", "evil.example"),
    ("forwarded", "host=evil.example"),
];

/// A host whose proxy is believed, so that what is forged counts for as much as it can.
fn host() -> Host {
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
    with_server(&format!(
        "public_url = \"{PUBLIC}\"\n{TRUSTING}{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}"
    ))
    .with_plugin(&Plugin::named("catalog").allowing(access))
    .start()
}

/// Sends a request as if it were to another host; nothing in the answer speaks of that.
#[track_caller]
fn forged(request: Request<'_>) -> Answer {
    let request = FORGED
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.send();
    let said = format!("{:?}\n{}", answer.headers, answer.text());
    assert!(!said.contains("evil.example"), "{} was answered {said}", answer.asked);
    answer
}

/// The token of a mail to Ada, whose link leads to a page of the public URL.
#[track_caller]
fn token(host: &Host, count: usize, page: &str) -> String {
    let mail = host.mail_to(ADA, count);
    assert!(mail.text.contains(&format!("{PUBLIC}{page}?token=")), "{mail:?}");
    assert!(
        ![&mail.text, &mail.html]
            .iter()
            .any(|part| part.contains("evil.example")),
        "{mail:?}"
    );
    mail.token()
}

#[test]
fn links_in_mails_lead_to_the_public_url_whatever_host_is_asked() {
    let host = host();
    let post = |path: &str, body: &Value| forged(host.api().request("POST", path).json(body));
    post("/auth/register", &json!({ "email": ADA, "password": PASSWORD })).expect(201);
    let verify = json!({ "token": token(&host, 1, "/account/verify"), "password": PASSWORD });
    post("/auth/email/verify", &verify).expect(200);
    post("/auth/password/forgot", &json!({ "email": ADA })).expect(204);
    let reset = json!({ "token": token(&host, 2, "/account/reset"), "new": ANOTHER_PASSWORD });
    post("/auth/password/reset", &reset).expect(204);
    // She is told of it, with a link that signs out whoever it was.
    let page = format!("/account/end-session?token={}", token(&host, 3, "/account/end-session"));
    forged(host.api().request("GET", &page)).expect(200);
}

#[test]
fn passkeys_are_bound_to_the_public_url_whatever_host_is_asked() {
    let host = host();
    host.account(ADA, &[]);
    let ada = host.member(ADA);
    let made = forged(ada.request("POST", "/auth/passkeys/options").json(&json!({}))).expect(200);
    assert_eq!(made.json()["rp"]["id"], "shop.example.org");
    let login = host.api().request("POST", "/auth/login/passkey/options");
    let asked = forged(login.json(&json!({}))).expect(200);
    assert_eq!(asked.json()["options"]["rpId"], "shop.example.org");
}

#[test]
fn addresses_of_documents_and_of_pages_of_a_list_are_paths_whatever_host_is_asked() {
    let host = host();
    host.account(ADA, &[]);
    let ada = host.member(ADA);
    for sku in ["lamp", "book"] {
        let new = json!({ "sku": sku, "name": "Lamp" });
        let made = forged(ada.request("POST", "/api/products").json(&new)).expect(201);
        assert_eq!(made.location(), format!("/api/products/{}", made.id()));
    }
    let list = forged(host.api().request("GET", "/api/products?limit=1")).expect(200);
    let next = list.header("link").unwrap_or_default();
    assert!(
        next.starts_with("</api/products?") && next.ends_with(">; rel=\"next\""),
        "{next}"
    );
}

#[test]
fn a_target_with_another_host_in_it_is_served_as_its_path() {
    let host = host();
    host.account(ADA, &[]);
    let session = host.session(ADA);
    // What a proxy is asked for: the whole address stands in the first line.
    let ask = |method: &str, address: &str, named: &str, body: &str| {
        let length = body.len();
        let said = exchange(
            host.api(),
            &format!(
                "{method} {address} HTTP/1.1\r\nhost: {named}\r\nauthorization: Bearer {session}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            ),
        );
        assert!(!said.contains("evil.example"), "{method} {address} of {named}: {said}");
        said
    };
    for (number, (origin, named)) in [
        ("http://evil.example", "evil.example"),
        ("http://evil.example", "shop.example.org"),
        ("https://evil.example:8443", "shop.example.org"),
        ("http://shop.example.org", "evil.example"),
    ]
    .into_iter()
    .enumerate()
    {
        for part in ["a", "b"] {
            let new = json!({ "sku": format!("{part}{number}"), "name": "Lamp" });
            let made = ask("POST", &format!("{origin}/api/products"), named, &new.to_string());
            let is_path = made.contains("\r\nlocation: /api/products/");
            assert!(made.starts_with("HTTP/1.1 201 ") && is_path, "{made}");
        }
        let list = ask("GET", &format!("{origin}/api/products?limit=1"), named, "");
        let is_path = list.contains("\r\nlink: </api/products?");
        assert!(list.starts_with("HTTP/1.1 200 ") && is_path, "{list}");
    }
    let forgotten = json!({ "email": ADA }).to_string();
    let address = "http://evil.example/auth/password/forgot";
    let sent = ask("POST", address, "evil.example", &forgotten);
    assert!(sent.starts_with("HTTP/1.1 204 "), "{sent}");
    token(&host, 1, "/account/reset");
}

#[test]
fn a_page_of_the_host_that_is_only_claimed_does_nothing_with_a_cookie() {
    // Where no public URL is known, no origin is this host's own: whoever asks says both, so that they agree means nothing.
    let known = format!("public_url = \"{PUBLIC}\"\n");
    for (server, of_public) in [(known.as_str(), 204), ("", 403)] {
        let host = with_server(&format!("{server}{TRUSTING}{CHEAP_HASHING}")).start();
        host.account(ADA, &[]);
        let cookie = host.cookie(ADA);
        let log_out = |origin: &str, named: &str| {
            let request = host.api().request("POST", "/auth/logout").header("cookie", &cookie);
            let request = request.header("host", named).header("x-forwarded-host", named);
            request.header("origin", origin).send()
        };
        for origin in ["https://evil.example", "http://evil.example"] {
            log_out(origin, "evil.example").expect_problem(403, "cross_site");
        }
        log_out(PUBLIC, "shop.example.org").expect(of_public);
    }
}
