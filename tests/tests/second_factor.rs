//! Second factors over HTTP: one-time codes and recovery codes, as a person uses them and as an attacker tries to.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use portcullis_tests::{
    ANOTHER_PASSWORD, App, CHEAP_HASHING, Client, Host, PASSWORD, Setup, UNLIMITED_ATTEMPTS, scratch,
};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
/// The variable that has seed keys.
const SEED_KEYS: &str = "PORTCULLIS_SEED_KEYS";
/// Two of them.
const KEYS: [&str; 2] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
];

/// A host with these keys of `[accounts.second_factor]`.
fn setup(second_factor: &str) -> Setup {
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}[accounts.second_factor]\n{second_factor}");
    Host::init().with_config(&config)
}

fn host() -> Host {
    setup("").start()
}

/// Ada with one-time codes: her session, her app, her recovery codes.
fn guarded(host: &Host) -> (Client, App, Vec<String>) {
    host.account(ADA, &[]);
    let mut ada = host.member(ADA);
    let (app, recovery) = host.turn_on_codes(&mut ada);
    (ada, app, recovery)
}

fn answer(challenge: &str, method: &str, code: &str) -> Value {
    json!({ "challenge": challenge, "method": method, "code": code })
}

#[test]
fn a_password_alone_gives_no_session_once_codes_are_on() {
    let host = host();
    let (_, mut app, _) = guarded(&host);
    let asked = host.login(ADA, PASSWORD).expect(200).json();
    assert_eq!(asked["second_factor"]["methods"], json!(["totp", "recovery"]));
    assert!(
        asked.get("token").is_none() && asked.get("account").is_none(),
        "{asked}"
    );
    let challenge = asked["second_factor"]["challenge"].as_str().expect("a challenge");
    // Half a login is none.
    let half = host.api().with_token(challenge);
    half.get("/auth/me").expect_problem(401, "unauthenticated");
    half.get("/auth/sessions").expect_problem(401, "unauthenticated");
    let verify = |body: &Value| host.api().post("/auth/login/verify", body);
    verify(&answer(challenge, "totp", &app.wrong_code())).expect_problem(401, "bad_code");
    verify(&answer(challenge, "password", PASSWORD)).expect_problem(401, "bad_code");
    verify(&answer(challenge, "email", "00000000")).expect_problem(401, "bad_code");
    let login = verify(&answer(challenge, "totp", &app.code())).expect(200);
    host.with_token_of(&login).get("/auth/me").expect(200);
}

#[test]
fn of_fifty_logins_with_one_code_at_a_time_exactly_one_succeeds() {
    let host = Arc::new(host());
    let (_, mut app, _) = guarded(&host);
    let challenges: Vec<String> = (0..50).map(|_| host.challenge(ADA)).collect();
    let code = app.code();
    let racing: Vec<_> = challenges
        .into_iter()
        .map(|challenge| {
            let (host, code) = (Arc::clone(&host), code.clone());
            thread::spawn(move || {
                let body = answer(&challenge, "totp", &code);
                host.api().post("/auth/login/verify", &body).status
            })
        })
        .collect();
    let mut statuses: Vec<u16> = racing
        .into_iter()
        .map(|one| one.join().expect("no thread fails"))
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    // Codes of one account are tried only so often, which is told apart from a code that is wrong.
    assert!(
        statuses[1..].iter().all(|status| matches!(status, 401 | 429)),
        "{statuses:?}"
    );
}

#[test]
fn of_fifty_answers_to_one_question_exactly_one_succeeds() {
    let host = Arc::new(host());
    let (_, _, recovery) = guarded(&host);
    let body = Arc::new(answer(&host.challenge(ADA), "recovery", &recovery[0]));
    let racing: Vec<_> = (0..50)
        .map(|_| {
            let (host, body) = (Arc::clone(&host), Arc::clone(&body));
            thread::spawn(move || host.api().post("/auth/login/verify", &body).status)
        })
        .collect();
    let statuses: Vec<u16> = racing
        .into_iter()
        .map(|one| one.join().expect("no thread fails"))
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
}

#[test]
fn a_recovery_code_is_good_once() {
    let host = host();
    let (_, _, recovery) = guarded(&host);
    let verify = |code: &str| {
        let body = answer(&host.challenge(ADA), "recovery", code);
        host.api().post("/auth/login/verify", &body)
    };
    verify(&recovery[0]).expect(200);
    verify(&recovery[0]).expect_problem(401, "bad_code");
    verify(&recovery[1].to_lowercase()).expect(200);
}

#[test]
fn a_reset_link_does_not_get_round_the_second_factor() {
    let host = host();
    let (ada, mut app, _) = guarded(&host);
    let mails = host.mail_to(ADA, 1);
    assert_eq!(mails.subject, "The second factor of your account was changed");
    host.post("/auth/password/forgot", &json!({ "email": ADA })).expect(204);
    let token = host.mail_to(ADA, 2).token();
    let reset = json!({ "token": token, "new": ANOTHER_PASSWORD });
    host.post("/auth/password/reset", &reset).expect(204);
    host.post("/auth/password/reset", &reset)
        .expect_problem(410, "link_spent");
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
    let asked = host.login(ADA, ANOTHER_PASSWORD).expect(200).json();
    let challenge = asked["second_factor"]["challenge"]
        .as_str()
        .expect("a second factor is asked for");
    let login = host.post("/auth/login/verify", &answer(challenge, "totp", &app.code()));
    host.with_token_of(&login.expect(200)).get("/auth/me").expect(200);
}

#[test]
fn a_code_proves_again_who_somebody_is_and_codes_are_turned_off() {
    let host = host();
    let (ada, mut app, recovery) = guarded(&host);
    let wrong = ada.post("/auth/reauthenticate", &json!({ "code": app.wrong_code() }));
    wrong.expect_problem(401, "bad_code");
    let both = ada.post(
        "/auth/reauthenticate",
        &json!({ "code": "000000", "password": PASSWORD }),
    );
    both.expect_problem(422, "invalid");
    let proved = ada.post("/auth/reauthenticate", &json!({ "code": app.code(), "method": "totp" }));
    let ada = host.with_token_of(&proved.expect(200));
    let renewed = ada.post("/auth/recovery-codes", &json!({})).expect(200).json();
    assert_eq!(renewed["recovery_codes"].as_array().map(Vec::len), Some(10));
    let old = answer(&host.challenge(ADA), "recovery", &recovery[5]);
    host.post("/auth/login/verify", &old).expect_problem(401, "bad_code");
    ada.delete("/auth/totp").expect(204);
    host.session(ADA);
    ada.post("/auth/recovery-codes", &json!({}))
        .expect_problem(409, "conflict");
}

#[test]
fn an_operator_helps_somebody_who_has_lost_their_phone() {
    let host = host();
    let (ada, ..) = guarded(&host);
    let done = host.to_admin(&["account", "reset-factors", ADA]);
    assert!(done.status.success(), "{done:?}");
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
    host.session(ADA);
    let listed = host.to_admin(&["audit", "list", "-o", "json"]);
    let entries: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(
        (&entries[0]["act"], &entries[0]["actor"]),
        (&json!("account.reset-factors"), &json!("operator"))
    );
    assert_eq!(entries[0]["personal"][0]["email"], ADA);
}

#[test]
fn an_operator_helps_them_while_the_host_is_stopped_as_well() {
    let mut host = host();
    let (ada, ..) = guarded(&host);
    let config = host.setup().config().display().to_string();
    host.terminate();
    let done = host.command_with_input(&["account", "reset-factors", ADA, "--config", &config], "");
    assert!(done.status.success(), "{done:?}");
    host.restart();
    let token = ada.token().expect("she was signed in");
    let before = host.api().with_token(token);
    before.get("/auth/me").expect_problem(401, "unauthenticated");
    host.session(ADA);
}

#[test]
fn a_login_goes_on_with_the_code_of_a_mail_as_either_part_of_it_has_it() {
    let host = setup("email_codes = true\n").start();
    host.account(ADA, &[]);
    for (mails, is_html) in [(1, false), (2, true)] {
        let asked = host.login(ADA, PASSWORD).expect(200).json();
        assert_eq!(asked["second_factor"]["methods"], json!(["email"]));
        let challenge = asked["second_factor"]["challenge"].as_str().expect("a challenge");
        let mail = host.mail_to(ADA, mails);
        let code = code_in(if is_html { &mail.html } else { &mail.text });
        assert_eq!(mail.subject, format!("{code} is your code"));
        let verify = |code: &str| host.post("/auth/login/verify", &answer(challenge, "email", code));
        verify(&code[1..]).expect_problem(401, "bad_code");
        host.with_token_of(&verify(code).expect(200))
            .get("/auth/me")
            .expect(200);
        verify(code).expect(410);
    }
}

/// The code in a part of a mail, which is what somebody copies: tags are not seen.
fn code_in(part: &str) -> &str {
    let mut words = part.split(|character: char| character.is_whitespace() || matches!(character, '<' | '>'));
    let code = words.find(|word| word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit()));
    code.unwrap_or_else(|| panic!("there is no code in {part}"))
}

#[test]
fn seeds_are_sealed_with_keys_that_can_be_changed() {
    let file = |host: &Host, text: &str| fs::write(host.setup().data().join("seed-keys"), text).expect("it is there");
    let mut host = host();
    let (_, mut app, _) = guarded(&host);
    let of_host = fs::read_to_string(host.setup().data().join("seed-keys")).expect("it is made at the start");
    // A new key in front; then the old one goes.
    for text in [format!("{}\n{of_host}", KEYS[0]), KEYS[0].to_owned()] {
        file(&host, &text);
        host.restart();
    }
    let login = answer(&host.challenge(ADA), "totp", &app.code());
    host.post("/auth/login/verify", &login).expect(200);
}

/// Writes keys into a file with these permissions; the line of the configuration that names it.
fn key_file(path: &Path, keys: &str, mode: u32) -> String {
    fs::write(path, keys).expect("a scratch directory takes files");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the file is ours");
    format!("key_file = \"{}\"\n", path.display())
}

#[test]
fn seed_keys_are_those_of_the_environment_and_without_them_those_of_the_file_that_is_named() {
    let folder = scratch();
    let path = folder.path().join("keys");
    let named = key_file(&path, KEYS[1], 0o600);
    let mut host = setup(&named).with_variable(SEED_KEYS, KEYS[0]).start();
    let (_, mut app, _) = guarded(&host);
    // Whatever had sealed the seed but the key of the environment, it could not be opened now.
    key_file(&path, KEYS[0], 0o600);
    host.restart_without(SEED_KEYS);
    let login = answer(&host.challenge(ADA), "totp", &app.code());
    host.post("/auth/login/verify", &login).expect(200);
}

#[test]
fn a_host_does_not_start_with_seed_keys_that_are_none_or_that_others_may_read() {
    // What is not even text is no reason to take other keys than those that somebody wants.
    for (bad, told) in [
        (OsStr::new("none"), "/dev/urandom"),
        (OsStr::from_bytes(b"\xff"), "invalid utf-8"),
    ] {
        let said = setup("").with_variable(SEED_KEYS, bad).start_in_vain();
        assert!(said.contains(SEED_KEYS) && said.contains(told), "{bad:?}: {said}");
    }
    let folder = scratch();
    let path = folder.path().join("keys");
    let said = setup(&key_file(&path, KEYS[0], 0o644)).start_in_vain();
    assert!(said.contains(&format!("chmod 600 {}", path.display())), "{said}");
}
