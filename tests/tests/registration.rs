//! Registering, confirming and resetting, with mails as files: what a person does, and what an attacker tries.

use portcullis_tests::{ANOTHER_PASSWORD, Answer, CHEAP_HASHING, Host, PASSWORD};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";

fn host() -> Host {
    Host::init().with_config(CHEAP_HASHING).start()
}

fn register(host: &Host, email: &str) -> Answer {
    let new = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
    host.api().post("/auth/register", &new)
}

fn forgot(host: &Host, email: &str) -> Answer {
    host.api().post("/auth/password/forgot", &json!({ "email": email }))
}

fn verify(host: &Host, token: &str) -> Answer {
    host.api()
        .post("/auth/email/verify", &json!({ "token": token, "password": PASSWORD }))
}

fn registered(host: &Host) {
    register(host, ADA).expect(201);
    verify(host, &host.mail_to(ADA, 1).token()).expect(200);
}

/// Waits until no mail is on its way any more.
#[track_caller]
fn all_mail_is_sent(host: &Host) {
    host.wait_until("all mail to be sent", || {
        let waiting = host.admin().get("/admin/api/outbox?state=waiting").expect(200).json();
        waiting["items"] == json!([])
    });
}

#[test]
fn a_registration_is_an_account_once_its_address_is_confirmed() {
    let host = host();
    let answer = register(&host, "Ada@Example.org").expect(201).json();
    assert_eq!(answer, json!({ "email": ADA, "verified": false }));
    host.login(ADA, PASSWORD).expect_problem(401, "bad_credentials");
    let mail = host.mail_to(ADA, 1);
    assert_eq!(mail.subject, "Confirm your e-mail address");
    // Nothing that somebody types here is sent to others: whoever registers with their address may be anybody.
    assert!(mail.text.starts_with("Hello,"), "{mail:?}");
    assert!(!mail.text.contains("Ada,") && !mail.html.contains("Ada,"), "{mail:?}");
    let token = mail.token();
    let account = verify(&host, &token).expect(200).json();
    assert_eq!(
        (&account["email"], &account["name"], &account["roles"]),
        (&json!(ADA), &json!("Ada"), &json!([]))
    );
    verify(&host, &token).expect_problem(410, "link_spent");
    host.login(ADA, PASSWORD).expect(200);
}

#[test]
fn nobody_learns_from_registering_or_forgetting_who_has_an_account() {
    let host = host();
    registered(&host);
    let without_address = |answer: Answer, email: &str| {
        let mut answer = answer.json();
        assert_eq!(answer["email"].take(), email);
        answer
    };
    let new = without_address(register(&host, "eve@example.org").expect(201), "eve@example.org");
    assert_eq!(without_address(register(&host, ADA).expect(201), ADA), new);
    let mail = host.mail_to(ADA, 2);
    assert_eq!(mail.subject, "You already have an account");
    assert!(!mail.text.contains("token"), "{mail:?}");
    for email in [ADA, "bob@example.org", "no address"] {
        forgot(&host, email).expect(204);
    }
    assert_eq!(host.mail_to(ADA, 3).subject, "Set a new password");
    all_mail_is_sent(&host);
    assert_eq!(host.mails_to("bob@example.org"), []);
}

#[test]
fn whoever_confirms_first_has_the_address_and_the_others_have_nothing() {
    let host = host();
    register(&host, ADA).expect(201);
    let first = host.mail_to(ADA, 1).token();
    let other = json!({ "email": ADA, "password": ANOTHER_PASSWORD });
    host.api().post("/auth/register", &other).expect(201);
    let second = host.mail_to(ADA, 2).token();
    let second = json!({ "token": second, "password": ANOTHER_PASSWORD });
    host.post("/auth/email/verify", &second).expect(200);
    verify(&host, &first).expect_problem(409, "address_taken");
    host.login(ADA, PASSWORD).expect_problem(401, "bad_credentials");
    host.login(ADA, ANOTHER_PASSWORD).expect(200);
}

#[test]
fn nobody_is_kept_from_their_address_by_one_who_registers_with_it_first() {
    let host = host();
    let eve = json!({ "email": ADA, "password": ANOTHER_PASSWORD, "name": "Eve" });
    for _ in 0..5 {
        host.api().post("/auth/register", &eve).expect(201);
    }
    // Of hers nothing is sent: there were many of late.
    register(&host, ADA).expect(201);
    let token = host.mail_to(ADA, 5).token();
    let confirm = |given: Value| {
        let mut given = given;
        given["token"] = json!(token);
        host.post("/auth/email/verify", &given)
    };
    let refused = confirm(json!({ "password": PASSWORD })).expect_problem(401, "bad_credentials");
    assert!(refused.text().contains("`new`"), "{}", refused.text());
    confirm(json!({})).expect_problem(422, "invalid");
    confirm(json!({ "password": PASSWORD, "new": PASSWORD })).expect_problem(422, "invalid");
    let short = confirm(json!({ "new": "short" })).expect_problem(422, "invalid").json();
    assert_eq!(short["errors"][0]["pointer"], "/new");
    confirm(json!({ "new": "adaadaadaadaadaada" })).expect_problem(422, "invalid");
    let account = confirm(json!({ "new": PASSWORD })).expect(200).json();
    assert_eq!((&account["email"], &account["name"]), (&json!(ADA), &Value::Null));
    confirm(json!({ "new": PASSWORD })).expect_problem(410, "link_spent");
    host.login(ADA, ANOTHER_PASSWORD).expect_problem(401, "bad_credentials");
    host.login(ADA, PASSWORD).expect(200);
    all_mail_is_sent(&host);
    assert_eq!(host.mails_to(ADA).len(), 5);
}

#[test]
fn a_forgotten_password_is_reset_once_and_all_sessions_end() {
    let host = host();
    registered(&host);
    let token = host.login(ADA, PASSWORD).expect(200).json()["token"].clone();
    let ada = host.api().with_token(token.as_str().expect("a token"));
    forgot(&host, ADA).expect(204);
    let first = host.mail_to(ADA, 2).token();
    forgot(&host, ADA).expect(204);
    let second = host.mail_to(ADA, 3).token();
    let reset = |token: &str, new: &str| {
        host.api()
            .post("/auth/password/reset", &json!({ "token": token, "new": new }))
    };
    let short = reset(&second, "short").expect_problem(422, "invalid").json();
    assert_eq!(short["errors"][0]["pointer"], "/new");
    reset(&second, ANOTHER_PASSWORD).expect(204);
    reset(&second, ANOTHER_PASSWORD).expect_problem(410, "link_spent");
    // The other link was for the password of before.
    reset(&first, PASSWORD).expect_problem(410, "link_spent");
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
    host.login(ADA, PASSWORD).expect_problem(401, "bad_credentials");
    host.login(ADA, ANOTHER_PASSWORD).expect(200);
    assert_eq!(host.mail_to(ADA, 4).subject, "Your password was changed");
    for forged in ["", "pcl_", "pcs_x", &first[..first.len() - 1]] {
        reset(forged, PASSWORD).expect_problem(410, "link_spent");
        verify(&host, forged).expect_problem(410, "link_spent");
    }
}

#[test]
fn nobody_is_flooded_with_mail_that_others_ask_for() {
    let host = host();
    registered(&host);
    for _ in 0..10 {
        register(&host, ADA).expect(201);
    }
    // What others have sent to her keeps back none of what she needs.
    for _ in 0..10 {
        forgot(&host, ADA).expect(204);
    }
    // Whoever comes next has mail, so that what was to be sent to her before has been.
    register(&host, "eve@example.org").expect(201);
    host.mail_to("eve@example.org", 1);
    host.mail_to(ADA, 11);
    let subjects: Vec<String> = host.mails_to(ADA).into_iter().map(|mail| mail.subject).collect();
    let count = |subject: &str| subjects.iter().filter(|sent| sent.contains(subject)).count();
    assert_eq!(
        (count("Confirm"), count("already"), count("password")),
        (1, 5, 5),
        "{subjects:?}"
    );
}

#[test]
fn where_registration_is_closed_only_the_operator_makes_accounts() {
    let host = Host::init()
        .with_config(&format!("[accounts]\nregistration = \"closed\"\n{CHEAP_HASHING}"))
        .start();
    register(&host, ADA).expect_problem(403, "registration_closed");
    let new = json!({ "email": ADA, "password": PASSWORD });
    host.admin().post("/admin/api/accounts", &new).expect(201);
    host.login(ADA, PASSWORD).expect(200);
}

#[test]
fn a_mail_server_that_is_down_loses_nothing_and_a_kill_neither() {
    // Nobody listens on port 1 of the loopback.
    let config = format!("{CHEAP_HASHING}[mail]\nserver = \"smtp://127.0.0.1:1\"\n");
    let mut host = Host::init().with_config(&config).start();
    register(&host, ADA).expect(201);
    let waiting = |host: &Host| -> Vec<Value> {
        let answer = host.admin().get("/admin/api/outbox").expect(200).json();
        answer["items"].as_array().cloned().unwrap_or_default()
    };
    host.wait_until("an attempt", || waiting(&host)[0]["attempts"].as_u64() >= Some(1));
    let entry = waiting(&host).remove(0);
    assert_eq!((&entry["target"], &entry["key"]), (&json!("mail"), &json!(ADA)));
    assert!(
        entry["reason"].as_str().is_some_and(|reason| !reason.is_empty()),
        "{entry}"
    );
    assert!(!entry.to_string().contains("pcl_"), "a link is shown: {entry}");
    host.kill();
    // The server is back, as files.
    std::fs::write(host.setup().config(), CHEAP_HASHING).expect("the configuration can be written");
    host.restart();
    let mail = host.mail_to(ADA, 1);
    verify(&host, &mail.token()).expect(200);
    host.wait_until("an empty outbox", || waiting(&host).is_empty());
}

#[test]
fn the_page_of_a_link_does_nothing_until_its_button_is_pressed() {
    let host = host();
    register(&host, ADA).expect(201);
    let token = host.mail_to(ADA, 1).token();
    let path = format!("/account/verify?token={token}");
    let page = host
        .api()
        .request("GET", &path)
        .header("accept", "text/html")
        .send()
        .expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap_or_default().to_owned();
    for directive in ["default-src", "object-src", "base-uri", "frame-ancestors"] {
        assert!(policy.contains(&format!("{directive} 'none'")), "{policy}");
    }
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(page.text().contains(&format!("value=\"{token}\"")), "{}", page.text());
    host.login(ADA, PASSWORD).expect_problem(401, "bad_credentials");

    let press = |path: &str, form: String| {
        host.api()
            .request("POST", path)
            .body("application/x-www-form-urlencoded", form)
            .header("accept", "text/html")
            .send()
    };
    // Whoever registered may have been somebody else: the mail alone confirms nothing.
    let another = ANOTHER_PASSWORD.replace(' ', "+");
    let wrong = press("/account/verify", format!("token={token}&password={another}")).expect(422);
    assert!(wrong.text().contains("has another password"), "{}", wrong.text());
    host.login(ADA, ANOTHER_PASSWORD).expect_problem(401, "bad_credentials");
    let form = format!("token={token}&password={}", PASSWORD.replace(' ', "+"));
    let done = press("/account/verify", form.clone()).expect(200);
    assert!(done.text().contains("The address is confirmed"), "{}", done.text());
    host.login(ADA, PASSWORD).expect(200);
    assert!(
        press("/account/verify", form)
            .expect(410)
            .text()
            .contains("has been used")
    );
    // Nobody types a password into a page that can do nothing with it.
    let spent = host.api().get(&path).expect(410);
    assert!(spent.text().contains("has been used"), "{}", spent.text());
    assert!(!spent.text().contains("<form"), "{}", spent.text());

    forgot(&host, ADA).expect(204);
    let token = host.mail_to(ADA, 2).token();
    let weak = press("/account/reset", format!("token={token}&new=passwordpassword")).expect(422);
    assert!(weak.text().contains("too easy to guess"), "{}", weak.text());
    let new = ANOTHER_PASSWORD.replace(' ', "+");
    press("/account/reset", format!("token={token}&new={new}")).expect(200);
    host.login(ADA, ANOTHER_PASSWORD).expect(200);
}

#[test]
fn what_somebody_typed_is_text_on_the_page() {
    let host = host();
    let setup = host.setup_link();
    let (_, token) = setup.split_once("token=").expect("the link has a token");
    let form = format!("token={token}&email=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&new=seventeen+copper+umbrellas");
    let page = host
        .api()
        .request("POST", "/account/setup")
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(422);
    assert!(page.text().contains("value=\"&quot;&gt;&lt;script"), "{}", page.text());
    assert!(!page.text().contains("<script"), "{}", page.text());
    host.api()
        .post("/account/verify", &json!({ "token": "a" }))
        .expect_problem(415, "unsupported_media_type");
}

#[test]
fn whoever_registers_with_an_address_of_somebody_else_has_nobody_confirm_it() {
    let host = host();
    let theft = json!({ "email": ADA, "password": ANOTHER_PASSWORD });
    host.post("/auth/register", &theft).expect(201);
    let of_thief = host.mail_to(ADA, 1).token();
    register(&host, ADA).expect(201);
    let of_ada = host.mail_to(ADA, 2).token();
    // Ada opens the wrong mail, with the password that she knows.
    let refused = verify(&host, &of_thief)
        .expect_problem(401, "bad_credentials")
        .problem();
    let said = refused["detail"].as_str().unwrap_or_default();
    assert!(said.contains("has another password"), "{refused}");
    verify(&host, &of_ada).expect(200);
    host.login(ADA, PASSWORD).expect(200);
    let late = json!({ "token": of_thief, "password": ANOTHER_PASSWORD });
    host.post("/auth/email/verify", &late).expect(409);
    host.login(ADA, ANOTHER_PASSWORD).expect_problem(401, "bad_credentials");
}

#[test]
fn passwords_on_the_list_of_the_operator_are_refused() {
    let list = tempfile::NamedTempFile::new().expect("a place for files");
    std::fs::write(list.path(), "plover QUARTZ ninety lamp\n").expect("the file is ours");
    let config = format!(
        "{CHEAP_HASHING}[accounts.passwords]\nblocklist = \"{}\"\n",
        list.path().display()
    );
    let host = Host::init().with_config(&config).start();
    let refused = register(&host, ADA).expect_problem(422, "invalid").problem();
    let said = refused["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(said.contains("known to others"), "{refused}");
    let other = json!({ "email": ADA, "password": ANOTHER_PASSWORD });
    host.post("/auth/register", &other).expect(201);
}
