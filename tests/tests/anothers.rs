//! What is another's, and what is the host's to decide: nobody reaches the one or says the other, on any way.

use portcullis_tests::{ANOTHER_PASSWORD, Answer, CHEAP_HASHING, Client, Host, PASSWORD, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";
/// Has no account yet.
const BOB: &str = "bob@example.org";
/// Everybody sees a document, and only its owner changes it.
const SHOWN: &str = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
/// Only its owner sees a document.
const HIDDEN: &str = r#"{ list = "owner", read = "owner", create = "member", update = "owner", delete = "owner" }"#;

/// A host whose documents may have any fields, with Ada and Eve.
fn host(access: &str) -> (Host, Client, Client) {
    let plugin = Plugin::named("hooked").allowing(access);
    // Without a public URL there would be no passkeys.
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}[server]\npublic_url = \"https://shop.example.org\"\n");
    let host = Host::init().with_plugin(&plugin).with_config(&config).start();
    for email in [ADA, EVE] {
        host.account(email, &[]);
    }
    let (ada, eve) = (host.member(ADA), host.member(EVE));
    (host, ada, eve)
}

fn id_of(client: &Client) -> Value {
    client.get("/auth/me").expect(200).json()["id"].clone()
}

/// A body with one member more.
fn with(body: &Value, name: &str, value: &Value) -> Value {
    let mut more = body.clone();
    more[name] = value.clone();
    more
}

fn batch(client: &Client, operation: &Value) -> Answer {
    client.post("/api/batch", &json!({ "operations": [operation] }))
}

/// What the host alone decides of an account, and Ada's id, which is nobody else's.
fn hostile(host: &Host) -> Vec<(&'static str, Value)> {
    let ada = id_of(&host.member(ADA));
    vec![
        ("roles", json!(["admin"])),
        ("id", json!("0198c0de-0000-7000-8000-000000000001")),
        ("owner", ada.clone()),
        ("account", ada),
        ("verified", json!(true)),
        ("locked", json!(false)),
        ("created_at", json!("2000-01-01T00:00:00Z")),
    ]
}

/// Sends a form with each of these members beside its own, which is refused, and then as it is: it is the one member that was
/// refused.
#[track_caller]
fn takes_no_more(form: &Value, status: u16, more: &[(&str, Value)], send: impl Fn(&Value) -> Answer) -> Answer {
    for (name, value) in more {
        let answer = send(&with(form, name, value));
        assert_eq!(answer.status, 422, "{} takes {name}: {}", answer.asked, answer.text());
    }
    send(form).expect(status)
}

#[test]
fn no_form_of_an_account_takes_a_member_that_is_not_its_own() {
    let (host, _, eve) = host(SHOWN);
    let hostile = hostile(&host);
    // What no browser has made or signed is read all the same, before it is looked for what it answers.
    let made = json!({ "attestationObject": "AA", "clientDataJSON": "AA" });
    let signed = json!({ "authenticatorData": "AA", "clientDataJSON": "AA", "signature": "AA" });
    let passkey = |response: Value| json!({ "type": "public-key", "id": "AA", "rawId": "AA", "response": response });
    // A session has another token behind a proof, and is ended by a new password: so the one comes before the other.
    let (anybody, proving) = (host.api(), host.member(EVE));
    let forms = [
        (
            anybody,
            "/auth/register",
            json!({ "email": BOB, "password": PASSWORD }),
            201,
        ),
        (
            anybody,
            "/auth/login",
            json!({ "email": EVE, "password": PASSWORD }),
            200,
        ),
        (anybody, "/auth/login/passkey/options", json!({}), 200),
        (
            anybody,
            "/auth/login/passkey",
            json!({ "challenge": "pck_none", "credential": passkey(signed) }),
            410,
        ),
        (anybody, "/auth/password/forgot", json!({ "email": EVE }), 204),
        (&proving, "/auth/reauthenticate", json!({ "password": PASSWORD }), 200),
        (&eve, "/auth/tokens", json!({ "name": "a", "scopes": ["read"] }), 201),
        (&eve, "/auth/totp/confirm", json!({ "code": "000000" }), 409),
        (&eve, "/auth/passkeys", json!({ "credential": passkey(made) }), 410),
        (&eve, "/auth/identities", json!({ "provider": "nobody" }), 404),
        (&eve, "/auth/password", json!({ "new": ANOTHER_PASSWORD }), 200),
    ];
    for (client, path, form, status) in forms {
        takes_no_more(&form, status, &hostile, |form| client.post(path, form));
    }
    let again = host.login(EVE, ANOTHER_PASSWORD).expect(200).json();
    assert_eq!(again["account"]["roles"], json!([]));
}

#[test]
fn no_form_of_one_with_a_link_or_a_challenge_takes_a_member_that_is_not_its_own() {
    let (host, _, mut eve) = host(SHOWN);
    let hostile = hostile(&host);
    let new = json!({ "email": BOB, "password": PASSWORD });
    host.post("/auth/register", &new).expect(201);
    let verify = json!({ "token": host.mail_to(BOB, 1).token(), "password": PASSWORD });
    let bob = takes_no_more(&verify, 200, &hostile, |form| host.post("/auth/email/verify", form)).json();
    assert_eq!((&bob["email"], &bob["roles"]), (&json!(BOB), &json!([])));

    host.post("/auth/password/forgot", &json!({ "email": BOB })).expect(204);
    let reset = json!({ "token": host.mail_to(BOB, 2).token(), "new": ANOTHER_PASSWORD });
    takes_no_more(&reset, 204, &hostile, |form| host.post("/auth/password/reset", form));
    assert_eq!(host.login(BOB, ANOTHER_PASSWORD).expect(200).json()["account"], bob);

    let (_, recovery) = host.turn_on_codes(&mut eve);
    let verify = json!({ "challenge": host.challenge(EVE), "method": "recovery", "code": recovery[0] });
    let login = takes_no_more(&verify, 200, &hostile, |form| host.post("/auth/login/verify", form));
    let me = eve.get("/auth/me").expect(200).json();
    assert_eq!((&login.json()["account"], &me["roles"]), (&me, &json!([])));
}

#[test]
fn an_operator_says_which_roles_an_account_has_and_whether_it_is_locked_and_no_more() {
    let (host, _, eve) = host(SHOWN);
    let (admin, mut hostile) = (host.admin(), hostile(&host));
    let path = format!("/admin/api/accounts/{}", id_of(&eve).as_str().expect("an id"));
    let mut expected = admin.get(&path).expect(200).json();
    // Where an account is made, roles are said as well, but it is never made locked.
    hostile.retain(|(name, _)| *name != "roles");
    let new = json!({ "email": BOB });
    takes_no_more(&new, 201, &hostile, |form| admin.post("/admin/api/accounts", form));

    hostile.retain(|(name, _)| *name != "locked");
    let others = [
        ("email", "eva@example.org"),
        ("name", "Eva"),
        ("password", ANOTHER_PASSWORD),
    ];
    hostile.extend(others.map(|(name, value)| (name, json!(value))));
    let patch = json!({ "roles": ["author", "clerk"], "add_roles": ["editor"], "remove_roles": ["author", "clerk"] });
    takes_no_more(&patch, 200, &hostile, |patch| admin.patch(&path, patch));
    expected["roles"] = json!(["editor"]);
    assert_eq!(admin.get(&path).expect(200).json(), expected);
    host.login(EVE, PASSWORD).expect(200);
}

#[test]
fn no_page_takes_a_field_that_is_not_its_own() {
    let (host, ada, _) = host(SHOWN);
    let id = id_of(&ada).as_str().expect("an id").to_owned();
    // What else is sent says that it is about Ada, and more than a page says of anybody.
    let press = |page: &str, fields: &str| {
        let form = format!("{fields}&roles=editor&id={id}&owner={id}&account={id}&locked=true&verified=true");
        let form = form.replace(' ', "+").replace('@', "%40");
        let request = host.api().request("POST", page);
        request
            .body("application/x-www-form-urlencoded", form)
            .send()
            .expect(200)
    };
    let account_of = |email: &str| {
        let path = format!("/admin/api/accounts?email={}", email.replace('@', "%40"));
        host.admin().get(&path).expect(200).json()["items"][0].clone()
    };
    let before = account_of(ADA);
    let new = json!({ "email": BOB, "password": PASSWORD });
    host.post("/auth/register", &new).expect(201);
    let token = host.mail_to(BOB, 1).token();
    press(
        "/account/verify",
        &format!("token={token}&password={PASSWORD}&email={ADA}"),
    );
    let bob = account_of(BOB);
    assert_eq!((&bob["roles"], &bob["locked"]), (&json!([]), &json!(false)));
    assert_ne!(bob["id"], before["id"]);

    host.post("/auth/password/forgot", &json!({ "email": BOB })).expect(204);
    let token = host.mail_to(BOB, 2).token();
    press(
        "/account/reset",
        &format!("token={token}&new={ANOTHER_PASSWORD}&email={ADA}"),
    );
    host.login(ADA, PASSWORD).expect(200);
    let token = host.mail_to(BOB, 3).token();
    let bobs = host.with_token_of(&host.login(BOB, ANOTHER_PASSWORD).expect(200));
    press("/account/end-session", &format!("token={token}&email={ADA}"));
    bobs.get("/auth/me").expect(401);
    ada.get("/auth/me").expect(200);
    assert_eq!(account_of(BOB), bob);

    let link = host.setup_link();
    let (page, token) = link.split_once('?').expect("a link has a token");
    press(page, &format!("{token}&email=root@example.org&new={PASSWORD}"));
    let root = account_of("root@example.org");
    assert_eq!((&root["roles"], &root["locked"]), (&json!(["admin"]), &json!(false)));
    assert_ne!(root["id"], before["id"]);
    assert_eq!(account_of(ADA), before);
}

#[test]
fn nobody_says_whose_a_new_document_is_which_id_it_has_or_when_it_was_made() {
    let (_host, ada, eve) = host(SHOWN);
    let (lamp, mine) = (json!({ "name": "Lamp" }), id_of(&eve));
    for (name, value) in [
        ("owner", id_of(&ada)),
        ("owner", Value::Null),
        ("id", json!("0198c0de-0000-7000-8000-000000000001")),
        ("created_at", json!("2000-01-01T00:00:00Z")),
        ("updated_at", json!("2000-01-01T00:00:00Z")),
    ] {
        let body = with(&lamp, name, &value);
        eve.post("/api/hooked", &body).expect_problem(422, "invalid");
        let operation = json!({ "method": "POST", "path": "/api/hooked", "body": body });
        batch(&eve, &operation).expect_problem(422, "invalid");
        // Nor beside the body.
        let operation = json!({ "method": "POST", "path": "/api/hooked", "body": lamp });
        batch(&eve, &with(&operation, name, &value)).expect_problem(400, "malformed_operation");
        let around = with(&json!({ "operations": [operation] }), name, &value);
        eve.post("/api/batch", &around).expect_problem(400, "malformed_batch");

        // Who sends a document back as it was read changes nothing of this.
        let made = eve.post("/api/hooked", &lamp).expect(201);
        let (path, made) = (made.location(), made.json());
        assert_eq!(made["owner"], mine);
        let write = |method: &str| json!({ "method": method, "path": path, "body": body });
        eve.put(&path, &body).expect(200);
        eve.patch(&path, &body).expect(200);
        batch(&eve, &write("PUT")).expect(200);
        batch(&eve, &write("PATCH")).expect(200);
        let now = eve.get(&path).expect(200).json();
        for kept in ["owner", "id", "created_at"] {
            assert_eq!(now[kept], made[kept], "{name}");
        }
        if name == "updated_at" {
            assert_ne!(now[name], value);
        }
    }
}

/// Each way to change a document, alone and in a batch.
fn attempts(client: &Client, path: &str) -> Vec<Answer> {
    let body = json!({ "name": "Mine" });
    vec![
        client.put(path, &body),
        client.patch(path, &body),
        client.delete(path),
        batch(client, &json!({ "method": "PUT", "path": path, "body": body })),
        batch(client, &json!({ "method": "PATCH", "path": path, "body": body })),
        batch(client, &json!({ "method": "DELETE", "path": path })),
    ]
}

#[test]
fn a_document_of_another_that_is_shown_is_changed_on_no_way() {
    let (_host, ada, eve) = host(SHOWN);
    let lamp = ada.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    let (path, etag) = (lamp.location(), lamp.etag());
    for answer in attempts(&eve, &path) {
        answer.expect_problem(403, "forbidden");
    }
    // What comes before it in a batch is undone with it.
    let operations = json!([
        { "method": "POST", "path": "/api/hooked", "body": { "name": "Book" } },
        { "method": "DELETE", "path": path },
    ]);
    let refused = eve.post("/api/batch", &json!({ "operations": operations }));
    assert_eq!(refused.expect_problem(403, "forbidden").json()["operation"], 1);
    let head = eve.request("HEAD", &path).send().expect(200);
    assert_eq!((head.etag(), head.body.len()), (etag, 0), "nothing was changed");
    let list = eve.get("/api/hooked?count=true").expect(200).json();
    assert_eq!(list["count"], 1);
}

#[test]
fn a_document_of_another_that_is_hidden_is_not_told_from_one_that_is_not_there() {
    let (_host, ada, eve) = host(HIDDEN);
    let lamp = ada.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    let nothing = "/api/hooked/01890000-0000-7000-8000-000000000000";
    let heads = [&lamp.location(), nothing].map(|path| {
        let head = eve.request("HEAD", path).send().expect(404);
        assert_eq!(head.header("etag"), None);
        head.header("content-length").map(str::to_owned)
    });
    assert_eq!(heads[0], heads[1]);
    let told = |answer: Answer| {
        let mut problem = answer.expect_problem(404, "not_found").json();
        problem["request_id"].take();
        problem
    };
    let (hidden, absent) = (attempts(&eve, &lamp.location()), attempts(&eve, nothing));
    for (hidden, absent) in hidden.into_iter().zip(absent) {
        assert_eq!(told(hidden), told(absent));
    }
    // Neither is it found out by a condition on it.
    let request = eve.request("DELETE", &lamp.location()).header("if-match", "\"9\"");
    request.send().expect_problem(404, "not_found");
    assert_eq!(ada.get(&lamp.location()).expect(200).etag(), lamp.etag());
}

/// The id of the first thing in a list.
fn first(client: &Client, path: &str) -> String {
    let items = client.get(path).expect(200).json()["items"].clone();
    items[0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_session_or_a_token_of_another_is_not_there() {
    let (host, ada, eve) = host(SHOWN);
    let new = json!({ "name": "a", "scopes": ["write"] });
    let made = ada.post("/auth/tokens", &new).expect(201).json();
    let id = made["id"].as_str().expect("an id");
    let session = first(&ada, "/auth/sessions");
    for path in [
        format!("/auth/sessions/{session}"),
        format!("/auth/tokens/{id}"),
        // One is not the other, either.
        format!("/auth/sessions/{id}"),
        format!("/auth/tokens/{session}"),
        format!("/auth/passkeys/{session}"),
        format!("/auth/identities/{session}"),
    ] {
        eve.delete(&path).expect_problem(404, "not_found");
    }
    eve.delete("/auth/sessions").expect(204);
    ada.get("/auth/me").expect(200);
    let program = host.api().with_token(made["token"].as_str().expect("a token"));
    program.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    // To whom they belong, they are there.
    ada.delete(&format!("/auth/tokens/{id}")).expect(204);
    program.get("/api/hooked").expect_problem(401, "unauthenticated");
    ada.delete(&format!("/auth/sessions/{session}")).expect(204);
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
}

#[test]
fn a_program_has_what_its_scopes_name_and_no_account_of_its_own() {
    let (host, ada, _) = host(SHOWN);
    let lamp = ada.post("/api/hooked", &json!({ "name": "Lamp" })).expect(201);
    let lamp = lamp.location();
    let new = json!({ "name": "b", "scopes": ["hooked:read"] });
    let made = ada.post("/auth/tokens", &new).expect(201).json();
    let program = host.api().with_token(made["token"].as_str().expect("a token"));
    program.get(&lamp).expect(200);
    for answer in attempts(&program, &lamp) {
        answer.expect_problem(403, "forbidden");
    }
    program.get("/auth/me").expect_problem(403, "forbidden");
    program.post("/auth/tokens", &new).expect_problem(403, "forbidden");
    ada.get(&lamp).expect(200);
}
