//! What attackers try against accounts.

use portcullis_tests::{ANOTHER_PASSWORD, Answer, CHEAP_HASHING, Host, PASSWORD, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

fn host() -> Host {
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}");
    let setup = Host::init().with_plugin(&Plugin::named("catalog").allowing(access));
    setup.with_config(&config).start()
}

fn with_cookie(host: &Host, method: &str, path: &str, cookie: &str, headers: &[(&str, &str)]) -> u16 {
    let request = host.api().request(method, path).header("cookie", cookie);
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value));
    match method {
        "GET" => request.send().status,
        _ => request.json(&json!({})).send().status,
    }
}

#[test]
fn another_site_does_nothing_with_the_cookie_of_a_browser() {
    let host = host();
    host.account(ADA, &[]);
    let cookie = host.cookie(ADA);
    let own = [("sec-fetch-site", "same-origin")];
    assert_eq!(with_cookie(&host, "GET", "/auth/me", &cookie, &own), 200);
    for attack in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[],
    ] {
        for (method, path) in [
            ("POST", "/auth/logout"),
            ("DELETE", "/auth/sessions"),
            ("POST", "/api/products"),
            ("DELETE", "/auth/me"),
        ] {
            assert_eq!(
                with_cookie(&host, method, path, &cookie, attack),
                403,
                "{method} {path} {attack:?}"
            );
        }
    }
    assert_eq!(
        with_cookie(&host, "GET", "/auth/me", &cookie, &[("sec-fetch-site", "cross-site")]),
        403
    );
    // It is good for nothing on the other port, to which a browser sends it too.
    let admin = host
        .admin_as_anybody()
        .request("GET", "/admin/api/plugins")
        .header("cookie", &cookie);
    admin.send().expect_problem(401, "unauthenticated");
    assert_eq!(
        with_cookie(&host, "GET", "/auth/me", &cookie, &own),
        200,
        "nothing was done"
    );
    let out = host.api().request("POST", "/auth/logout").header("cookie", &cookie);
    let out = out.header("sec-fetch-site", "same-origin").send().expect(204);
    let forgets = |answer: &Answer| answer.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0"));
    assert!(forgets(&out));
    // What is left of it elsewhere is forgotten when it is used, and anybody may read again.
    let late = host.api().request("GET", "/api/products").header("cookie", &cookie);
    assert!(forgets(
        &late.header("sec-fetch-site", "same-origin").send().expect(401)
    ));
}

#[test]
fn a_session_that_was_planted_is_not_the_one_that_begins() {
    let host = host();
    host.account(ADA, &[]);
    host.account(EVE, &[]);
    let planted = host.cookie(EVE);
    let login = json!({ "email": ADA, "password": PASSWORD, "session": "cookie" });
    let request = host
        .api()
        .request("POST", "/auth/login")
        .header("cookie", &planted)
        .json(&login);
    let set = request
        .send()
        .expect(200)
        .header("set-cookie")
        .expect("a cookie")
        .to_owned();
    let own = set.split(';').next().expect("a cookie");
    assert_ne!(own, planted);
    // With both, one planted by a neighbour, there is none: nobody acts as Eve unawares.
    let both = format!("{planted}; {own}");
    assert_eq!(
        with_cookie(&host, "GET", "/auth/me", &both, &[("sec-fetch-site", "same-origin")]),
        401
    );
}

#[test]
fn stuffed_credentials_are_slowed_down_and_lock_nobody_out() {
    let config = format!("{CHEAP_HASHING}[accounts.attempts]\nper_account = 5\nper_network = 12\n");
    let host = Host::init().with_config(&config).start();
    host.account(ADA, &[]);
    host.account(EVE, &[]);
    // Ada has been here before.
    let ada = host.member(ADA);
    let statuses: Vec<u16> = (0..8).map(|_| host.login(EVE, ANOTHER_PASSWORD).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    let refused = host.login(EVE, PASSWORD).expect(429);
    let wait: u32 = refused
        .header("retry-after")
        .and_then(|text| text.parse().ok())
        .expect("when to try again");
    assert!((1..=12 * 60).contains(&wait), "{wait}");
    // An address that nobody has is slowed down alike.
    let statuses: Vec<u16> = (0..3)
        .map(|_| host.login("nobody@example.org", PASSWORD).status)
        .collect();
    assert_eq!(statuses, [401, 401, 429], "the network has had its twelve");
    ada.get("/auth/me").expect(200);
    // Whoever reads the mail of the account gets in.
    host.post("/auth/password/forgot", &json!({ "email": EVE })).expect(204);
    let reset = json!({ "token": host.mail_to(EVE, 1).token(), "new": ANOTHER_PASSWORD });
    host.post("/auth/password/reset", &reset).expect(204);
}

#[test]
fn the_owner_is_told_of_many_failures_and_ends_sessions_with_the_link() {
    let host = host();
    host.account(ADA, &[]);
    let ada = host.member(ADA);
    for _ in 0..10 {
        host.login(ADA, ANOTHER_PASSWORD).expect(401);
    }
    let mail = host.mail_to(ADA, 1);
    assert_eq!(mail.subject, "Many failed sign-ins to your account");
    let open = host
        .get(&format!("/account/end-session?token={}", mail.token()))
        .expect(200);
    assert!(open.text().contains("Sign out"));
    ada.get("/auth/me").expect(200);
    let press = |token: &str| {
        let form = format!("token={token}");
        let request = host.api().request("POST", "/account/end-session");
        request.body("application/x-www-form-urlencoded", form).send()
    };
    press(&mail.token()).expect(200);
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
    press(&mail.token()).expect(410);
    let again = host.member(ADA).get("/auth/activity?limit=3").expect(200).json();
    let acts: Vec<&Value> = again["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| &item["act"])
        .collect();
    assert_eq!(acts, ["login", "sessions_ended", "login"]);
}

#[test]
fn a_new_device_is_told_of_and_its_session_ended_by_the_link() {
    let host = host();
    host.account(ADA, &[]);
    let login = |agent: &str| {
        let credentials = json!({ "email": ADA, "password": PASSWORD });
        let request = host.api().request("POST", "/auth/login").header("user-agent", agent);
        host.with_token_of(&request.json(&credentials).send().expect(200))
    };
    let (usual, _) = (login("Browser/1"), login("Browser/1"));
    assert_eq!(host.mails_to(ADA).len(), 0);
    let other = login("<b>Thief</b>/1");
    let mail = host.mail_to(ADA, 1);
    assert_eq!(mail.subject, "A new sign-in to your account");
    assert!(
        mail.text.contains("127.0.0.1") && mail.text.contains("<b>Thief</b>/1"),
        "{}",
        mail.text
    );
    assert!(!mail.html.contains("<b>Thief"), "{}", mail.html);
    let form = format!("token={}", mail.token());
    let request = host.api().request("POST", "/account/end-session");
    request
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(200);
    other.get("/auth/me").expect_problem(401, "unauthenticated");
    usual.get("/auth/me").expect(200);
}

#[test]
fn nothing_but_a_whole_token_is_one() {
    let host = host();
    host.account(ADA, &[]);
    let token = host.session(ADA);
    let (cut, longer, upper) = (&token[..token.len() - 1], format!("{token}A"), token.to_uppercase());
    let long = "pcs_".to_owned() + &"A".repeat(10_000);
    for forged in [
        cut,
        &longer,
        &upper,
        "pcs_",
        "pca_",
        "pcc_",
        "pcl_",
        "pcs_../../etc",
        "null",
        &long,
    ] {
        let answer = host.api().with_token(forged).get("/auth/me");
        assert!(matches!(answer.status, 401 | 431), "{forged}: {}", answer.status);
    }
    for header in [
        format!("Basic {token}"),
        token.clone(),
        format!("Bearer {token}, Bearer {token}"),
        "Bearer".to_owned(),
    ] {
        let request = host.api().request("GET", "/auth/me").header("authorization", &header);
        request.send().expect_problem(401, "unauthenticated");
    }
    // A cookie is a session's and nothing else's, and the session is one that is there. The first of these has all that a
    // token has, but for being somebody's.
    let unknown = format!("pcs_{}", "A".repeat(token.len() - "pcs_".len()));
    let api_token = json!({ "name": "a", "scopes": ["read"] });
    let made = host.member(ADA).post("/auth/tokens", &api_token).expect(201).json();
    for cookie in [
        &unknown,
        "",
        "pca_AAAA",
        made["token"].as_str().expect("a token"),
        &token[..token.len() - 1],
        &host.token(),
    ] {
        let cookie = format!("__Host-portcullis={cookie}");
        let status = with_cookie(&host, "GET", "/auth/me", &cookie, &[("sec-fetch-site", "same-origin")]);
        assert_eq!(status, 401, "{cookie}");
    }
    let real = format!("__Host-portcullis={token}");
    let status = with_cookie(&host, "GET", "/auth/me", &real, &[("sec-fetch-site", "same-origin")]);
    assert_eq!(status, 200, "nor is it the cookie that is refused");
}
