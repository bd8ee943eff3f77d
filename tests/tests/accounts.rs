//! Accounts over HTTP: what somebody does with their own, and what an operator does with all of them.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Client, Host, PASSWORD};
use serde_json::{Value, json};

fn host() -> Host {
    Host::init()
        .with_plugins(["witness"])
        .with_config(CHEAP_HASHING)
        .start()
}

fn sessions(client: &Client) -> Vec<Value> {
    let answer = client.get("/auth/sessions").expect(200).json();
    answer["items"].as_array().expect("a list has items").clone()
}

#[test]
fn one_who_logs_in_is_known_until_logging_out() {
    let host = host();
    let id = host.account("ada@example.org", &["editor"]);
    let answer = host.login("ADA@example.org", PASSWORD).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = answer.json();
    assert_eq!(answer["account"]["id"], id.as_str());
    let ada = host.api().with_token(answer["token"].as_str().expect("a token"));
    let me = ada.get("/auth/me").expect(200).json();
    assert_eq!(
        (&me["id"], &me["email"], &me["roles"]),
        (&json!(id), &json!("ada@example.org"), &json!(["editor"]))
    );
    assert!(me.get("password").is_none(), "{me}");
    ada.post("/auth/logout", &json!({})).expect(204);
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
}

#[test]
fn nobody_learns_from_a_login_who_has_an_account() {
    let host = host();
    host.account("ada@example.org", &[]);
    let id = host.account("eve@example.org", &[]);
    let path = format!("/admin/api/accounts/{id}");
    host.admin()
        .request("PATCH", &path)
        .json(&json!({ "locked": true }))
        .header("content-type", "application/merge-patch+json")
        .send()
        .expect(200);
    let refusal = |email: &str, password: &str| {
        let mut problem = host.login(email, password).expect(401).problem();
        problem
            .as_object_mut()
            .expect("a problem is an object")
            .remove("request_id");
        problem
    };
    let wrong = refusal("ada@example.org", ANOTHER_PASSWORD);
    assert_eq!(wrong["code"], "bad_credentials");
    assert_eq!(refusal("bob@example.org", PASSWORD), wrong);
    assert_eq!(refusal("eve@example.org", PASSWORD), wrong);
    assert_eq!(refusal("no address", PASSWORD), wrong);
}

#[test]
fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let host = host();
    host.account("ada@example.org", &[]);
    host.account("eve@example.org", &[]);
    let (phone, laptop, eve) = (
        host.member("ada@example.org"),
        host.member("ada@example.org"),
        host.member("eve@example.org"),
    );
    let of_phone = sessions(&phone);
    let current: Vec<bool> = of_phone.iter().map(|session| session["current"] == true).collect();
    assert_eq!(current, [true, false]);
    assert_eq!(of_phone[0]["address"], "127.0.0.1");
    let laptops = format!(
        "/auth/sessions/{}",
        of_phone[1]["id"].as_str().expect("a session has an id")
    );
    eve.delete(&laptops).expect_problem(404, "not_found");
    laptop.get("/auth/me").expect(200);
    phone.delete(&laptops).expect(204);
    laptop.get("/auth/me").expect_problem(401, "unauthenticated");
    let again = host.member("ada@example.org");
    phone.delete("/auth/sessions").expect(204);
    again.get("/auth/me").expect_problem(401, "unauthenticated");
    assert_eq!(sessions(&phone).len(), 1);
    assert_eq!(sessions(&eve).len(), 1);
}

#[test]
fn the_owner_sees_when_and_from_where_each_attempt_to_log_in_came() {
    // Only a proxy that is trusted says for whom it asks.
    for (server, address) in [
        ("", "127.0.0.1"),
        ("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n", "203.0.113.7"),
    ] {
        let host = Host::init().with_config(&format!("{CHEAP_HASHING}{server}")).start();
        host.account("ada@example.org", &[]);
        let login = |agent: &str, password: &str| {
            let request = host.api().request("POST", "/auth/login").header("user-agent", agent);
            let credentials = json!({ "email": "ada@example.org", "password": password });
            let request = request.header("x-forwarded-for", "203.0.113.7");
            request.json(&credentials).send()
        };
        let before_ms = now_ms();
        login("Thief/1", ANOTHER_PASSWORD).expect(401);
        let ada = host.with_token_of(&login("Browser/1", PASSWORD).expect(200));
        let after_ms = now_ms();
        let events = ada.get("/auth/activity").expect(200).json()["items"].take();
        let events = events.as_array().expect("a list has items");
        assert_eq!(events.len(), 2, "{events:?}");
        for (event, (agent, success)) in events.iter().zip([("Browser/1", true), ("Thief/1", false)]) {
            for (field, told) in [
                ("act", json!("login")),
                ("method", json!("password")),
                ("success", json!(success)),
                ("address", json!(address)),
                ("user_agent", json!(agent)),
            ] {
                assert_eq!(event[field], told, "{field} of {event}");
            }
            let at_ms = since_epoch_ms(event["at"].as_str().expect("a time"));
            // The system may set its clock meanwhile.
            assert!((before_ms - 1_000..=after_ms + 1_000).contains(&at_ms), "{event}");
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.expect("it is after 1970").as_millis();
    u64::try_from(ms).expect("it is before the year 584,000,000")
}

/// A time as the host tells it: `2026-11-23T09:48:56.123Z`.
fn since_epoch_ms(time: &str) -> u64 {
    let digit = |character: char| if character.is_ascii_digit() { '0' } else { character };
    let shape: String = time.chars().map(digit).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time} is no such time");
    let numbers = time.split(|character: char| !character.is_ascii_digit());
    let numbers: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [year, month, day, hour, minute, second, ms]: [u64; 7] = numbers.try_into().expect("a time has seven numbers");
    // Years begin in March here, so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + ms
}

#[test]
fn another_password_ends_the_other_sessions_and_must_be_hard_to_guess() {
    let host = host();
    host.account("ada@example.org", &[]);
    let (ada, other) = (host.member("ada@example.org"), host.member("ada@example.org"));
    let set = |new: &str| ada.post("/auth/password", &json!({ "new": new }));
    for weak in ["short", "passwordpassword", "ada@example.org"] {
        let problem = set(weak).expect(422).problem();
        assert_eq!(problem["errors"][0]["pointer"], "/new", "{problem}");
    }
    let changed = set(ANOTHER_PASSWORD).expect(200);
    other.get("/auth/me").expect_problem(401, "unauthenticated");
    // Whoever has seen the token from before has nothing any more.
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
    let ada = host.with_token_of(&changed);
    ada.get("/auth/me").expect(200);
    host.login("ada@example.org", PASSWORD)
        .expect_problem(401, "bad_credentials");
    host.login("ada@example.org", ANOTHER_PASSWORD).expect(200);
    ada.post("/auth/reauthenticate", &json!({ "password": PASSWORD }))
        .expect_problem(401, "bad_credentials");
    let proved = ada.post("/auth/reauthenticate", &json!({ "password": ANOTHER_PASSWORD }));
    host.with_token_of(&proved.expect(200)).get("/auth/me").expect(200);
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
}

#[test]
fn sessions_survive_a_restart_and_a_kill() {
    let mut host = host();
    host.account("ada@example.org", &[]);
    let token = host.login("ada@example.org", PASSWORD).expect(200).json()["token"].clone();
    let token = token.as_str().expect("a token").to_owned();
    host.kill();
    host.restart();
    host.api().with_token(&token).get("/auth/me").expect(200);
}

#[test]
fn accounts_are_for_the_operator_and_for_administrators() {
    let host = host();
    host.account("root@example.org", &["admin"]);
    let id = host.account("ada@example.org", &["editor"]);
    let bearer = |email: &str| host.admin_as_anybody().with_token(&host.session(email));
    let (root, ada) = (bearer("root@example.org"), bearer("ada@example.org"));
    let (one, of_it) = (
        format!("/admin/api/accounts/{id}"),
        format!("/admin/api/accounts/{id}/sessions"),
    );
    for path in ["/admin/api/accounts", &one, &of_it] {
        host.admin_as_anybody().get(path).expect_problem(401, "unauthenticated");
        ada.get(path).expect_problem(403, "forbidden");
        root.get(path).expect(200);
        host.admin().get(path).expect(200);
    }
    let found = root
        .get("/admin/api/accounts?email=ada%40example.org")
        .expect(200)
        .json();
    assert_eq!(
        (&found["items"][0]["id"], found["items"].as_array().map(Vec::len)),
        (&json!(id), Some(1))
    );
    let first = root.get("/admin/api/accounts?limit=1").expect(200).json();
    let next = format!(
        "/admin/api/accounts?limit=1&cursor={}",
        first["next_cursor"].as_str().expect("a cursor")
    );
    let second = root.get(&next).expect(200).json();
    assert_eq!(second["items"][0]["id"], id.as_str());
    root.delete(&of_it).expect(204);
    ada.get("/admin/api/accounts").expect_problem(401, "unauthenticated");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let host = host();
    host.account("ada@example.org", &[]);
    let make = |new: Value| host.admin().post("/admin/api/accounts", &new);
    make(json!({ "email": "ADA@example.org" })).expect_problem(409, "address_taken");
    for new in [
        json!({}),
        json!({ "email": "nobody" }),
        json!({ "email": "bob@example.org", "password": "short" }),
        json!({ "email": "bob@example.org", "roles": ["Editor"] }),
        json!({ "email": "bob@example.org", "name": "Bob\r\nBcc: eve" }),
        json!({ "email": "bob@example.org", "id": "7" }),
    ] {
        make(new).expect_problem(422, "invalid");
    }
    let client = host.api();
    client
        .post("/auth/login", &json!({ "email": "ada@example.org" }))
        .expect_problem(422, "invalid");
    client
        .post(
            "/auth/login",
            &json!({ "email": "a@b.c", "password": "d", "roles": ["admin"] }),
        )
        .expect_problem(422, "invalid");
    client.get("/auth/login").expect_problem(405, "method_not_allowed");
    host.admin()
        .get("/admin/api/accounts?limit=0")
        .expect_problem(400, "malformed_query");
    host.admin()
        .get("/admin/api/accounts/7")
        .expect_problem(404, "not_found");
}

/// Runs `portcullis account`, with a line on stdin.
fn command(host: &Host, arguments: &[&str], line: &str) -> (bool, String) {
    let config = host.setup().config().display().to_string();
    let output = host.command_with_input(&[&["account"], arguments, &["--config", &config]].concat(), line);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_operator_makes_and_changes_accounts_of_a_host_that_runs_and_of_one_that_is_stopped() {
    let mut host = host();
    for is_running in [true, false] {
        let (email, line) = if is_running {
            ("ada@example.org", PASSWORD)
        } else {
            ("eve@example.org", ANOTHER_PASSWORD)
        };
        if !is_running {
            host.terminate();
        }
        // A host that runs listens where only the test knows.
        let done = |arguments: &[&str], line: &str| {
            let url = host.admin_url();
            let to = if is_running { vec!["--to", &url] } else { Vec::new() };
            let (done, said) = command(&host, &[arguments, &to].concat(), line);
            assert!(done, "{arguments:?}: {said}");
            said
        };
        let made = done(
            &["create", email, "--name", "Ada", "--role", "editor", "--role", "author"],
            line,
        );
        assert!(made.contains(email) && made.contains("[author, editor]"), "{made}");
        let changed = done(&["role", email, "--add", "admin", "--remove", "author"], "");
        assert!(changed.contains("[admin, editor]"), "{changed}");
        assert!(done(&["lock", email], "").contains("locked"));
        assert!(!done(&["lock", email, "--undo"], "").contains("locked"));
        done(&["end-sessions", email], "");
        let listed: Value = serde_json::from_str(&done(&["list", "-o", "json"], "")).expect("a list is JSON");
        assert_eq!(
            listed.as_array().map(Vec::len),
            Some(if is_running { 1 } else { 2 }),
            "{listed}"
        );
    }
    let (done, said) = command(&host, &["create", "bob@example.org"], "passwordpassword");
    assert!(!done && said.contains("too easy to guess"), "{said}");
    let (done, said) = command(&host, &["lock", "bob@example.org"], "");
    assert!(
        !done && said.contains("no account with the address bob@example.org"),
        "{said}"
    );
    host.restart();
    host.login("ada@example.org", PASSWORD).expect(200);
    let eve = host.login("eve@example.org", ANOTHER_PASSWORD).expect(200).json();
    assert_eq!(eve["account"]["roles"], json!(["admin", "editor"]));
}

#[test]
fn what_an_operator_ends_while_the_host_is_stopped_stays_ended() {
    let mut host = host();
    let [ada, eve, bob] = ["ada@example.org", "eve@example.org", "bob@example.org"];
    // A session, and a token for programs.
    let [of_ada, of_eve, of_bob] = [ada, eve, bob].map(|email| {
        host.account(email, &[]);
        let session = host.session(email);
        let asked = json!({ "name": "a program", "scopes": ["read"] });
        let made = host.api().with_token(&session).post("/auth/tokens", &asked);
        let program = made.expect(201).json()["token"].as_str().expect("a token").to_owned();
        [session, program]
    });
    host.terminate();
    for arguments in [["lock", ada], ["end-sessions", eve]] {
        let (done, said) = command(&host, &arguments, "");
        assert!(done, "{arguments:?}: {said}");
    }
    host.restart();
    let status = |token: &String| host.api().with_token(token).get("/api/witness").status;
    assert_eq!(of_ada.each_ref().map(status), [401, 401]);
    assert_eq!(of_eve.each_ref().map(status), [401, 401]);
    assert_eq!(of_bob.each_ref().map(status), [200, 200]);
    // It was more than a lock, which an operator undoes.
    let undo = host.to_admin(&["account", "lock", ada, "--undo"]);
    assert!(undo.status.success(), "{undo:?}");
    assert_eq!(of_ada.each_ref().map(status), [401, 401]);
    host.session(ada);
}

#[test]
fn a_password_is_no_argument() {
    let host = host();
    let (done, said) = command(&host, &["create", "ada@example.org", "--password", PASSWORD], "");
    assert!(!done && said.contains("--password"), "{said}");
}
