//! The archive of an account: what the host and its plugins keep of it, as its owner takes it along.

use std::collections::BTreeMap;
use std::io::Cursor;

use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Client, Host, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};
use zip::ZipArchive;

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

/// More documents, and more entries of a bucket, than are read at a time.
const MANY: usize = 33;
/// More events than are read at a time.
const MANY_EVENTS: usize = 201;

fn host(plugin: &Plugin) -> Host {
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}");
    Host::init().with_plugin(plugin).with_config(&config).start()
}

/// The files of an archive by their names.
fn archive(client: &Client) -> BTreeMap<String, Value> {
    let answer = client.get("/auth/me/export").expect(200);
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    let mut archive = ZipArchive::new(Cursor::new(&answer.body)).expect("a ZIP archive");
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index).expect("a file");
        let name = file.name().expect("a file has a name").into_owned();
        let value = serde_json::from_reader(file).unwrap_or_else(|error| panic!("{name}: {error}"));
        files.insert(name, value);
    }
    files
}

/// A text that each item of a list has.
fn texts(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    let text = |item: &Value| item[field].as_str().map(str::to_owned);
    items.iter().filter_map(text).collect()
}

/// What has a plugin keep something in the bucket of whoever asks.
fn keeping(key: &str) -> Value {
    json!({ "do": "keep", "at": key })
}

#[test]
fn an_account_takes_its_data_with_it_as_an_archive() {
    let host = host(&Plugin::named("errands"));
    host.account(ADA, &[]);
    let ada = host.member(ADA);
    for name in ["lamp", "bulb"] {
        ada.post("/api/goods", &json!({ "name": name })).expect(201);
    }
    let files = archive(&ada);
    assert_eq!(files["account.json"]["email"], ADA);
    assert_eq!(files["sessions.json"]["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(files["activity.json"].as_array().map(Vec::len), Some(1));
    for name in ["tokens.json", "passkeys.json", "identities.json"] {
        assert_eq!(files[name], json!({ "items": [] }), "{name}");
    }
    let mut names = texts(&files["documents/goods.json"], "name");
    names.sort_unstable();
    assert_eq!(names, ["bulb", "lamp"]);
    assert_eq!(files["documents/errands.json"], json!([]));
}

#[test]
fn an_archive_has_all_that_there_is_of_an_account_and_each_of_it_once() {
    let host = host(&Plugin::named("errands"));
    host.account(ADA, &[]);
    let ada = host.member(ADA);
    let keys: Vec<String> = (0..MANY).map(|number| format!("key-{number:02}")).collect();
    // Each is a document as well.
    let keep = |key: &String| ada.post("/api/errands", &keeping(key)).expect(201).id();
    let mut documents: Vec<String> = keys.iter().map(keep).collect();
    // The login was the first event.
    for _ in 1..MANY_EVENTS {
        host.login(ADA, ANOTHER_PASSWORD).expect(401);
    }
    let mut events = Vec::new();
    let mut page = "/auth/activity?limit=200".to_owned();
    loop {
        let told = ada.get(&page).expect(200).json();
        events.extend(texts(&told["items"], "id"));
        let Some(cursor) = told["next_cursor"].as_str() else {
            break;
        };
        page = format!("/auth/activity?limit=200&cursor={cursor}");
    }
    assert_eq!(events.len(), MANY_EVENTS);

    let files = archive(&ada);
    assert_eq!(texts(&files["activity.json"], "id"), events);
    assert_eq!(texts(&files["buckets/errands.json"], "key"), keys);
    let mut archived = texts(&files["documents/errands.json"], "id");
    archived.sort_unstable();
    documents.sort_unstable();
    assert_eq!(archived, documents);
}

#[test]
fn what_a_plugin_keeps_for_its_caller_is_in_the_archive_and_goes_with_the_account() {
    let host = host(&Plugin::named("errands"));
    for (email, key) in [(ADA, "of-ada"), (EVE, "of-eve")] {
        host.account(email, &[]);
        host.member(email).post("/api/errands", &keeping(key)).expect(201);
    }
    let kept = |email: &str| archive(&host.member(email))["buckets/errands.json"].clone();
    let of_ada = kept(ADA);
    assert_eq!(texts(&of_ada, "key"), ["of-ada"]);
    let value = of_ada[0]["value"].as_str().expect("what is text is kept as text");
    let value: Value = serde_json::from_str(value).expect("what was asked is kept as it was");
    assert_eq!(value, keeping("of-ada"));

    let erased = host.to_admin(&["account", "erase", ADA, "--verify", "--yes", "-o", "json"]);
    assert!(erased.status.success(), "{erased:?}");
    let receipt: Value = serde_json::from_slice(&erased.stdout).expect("JSON");
    assert_eq!(receipt["receipt"]["removed"]["bucket_entries"], 1);
    assert_eq!(receipt["traces"]["left"], 0);
    assert_eq!(texts(&kept(EVE), "key"), ["of-eve"]);
}

#[test]
fn an_archive_holds_nothing_of_another_account_and_nothing_that_is_hidden() {
    let schema = json!({ "type": "object", "properties": {
        "password": { "type": "string", "writeOnly": true },
        "maker": { "type": "object", "properties": { "key": { "type": "string", "writeOnly": true } } }
    } });
    // Whatever everybody may see: what is not one's own is not taken along.
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "member", delete = "owner" }"#;
    let host = host(&Plugin::named("hooked").allowing(access).with_schema(&schema));
    let mut ids = Vec::new();
    for name in ["ada", "eve"] {
        let email = format!("{name}@example.org");
        ids.push(host.account(&email, &[]));
        let client = host.member(&email);
        let body =
            json!({ "title": format!("of-{name}"), "password": "hidden-1", "maker": { "key": "hidden-2", "rank": 7 } });
        client.post("/api/hooked", &body).expect(201);
        let token = json!({ "name": format!("token-of-{name}"), "scopes": ["read"] });
        client.post("/auth/tokens", &token).expect(201);
        let request = host.api().request("POST", "/auth/login").header("user-agent", &email);
        let wrong = json!({ "email": email, "password": "not the password" });
        request.json(&wrong).send().expect(401);
    }
    let files = archive(&host.member(ADA));
    let all: String = files.values().map(Value::to_string).collect();
    for own in [
        ids[0].as_str(),
        ADA,
        "of-ada",
        "token-of-ada",
        "\"rank\":7",
        "\"user_agent\":\"ada@example.org\"",
    ] {
        assert!(all.contains(own), "{own} is not in\n{all}");
    }
    for other in [
        ids[1].as_str(),
        EVE,
        "of-eve",
        "hidden-1",
        "hidden-2",
        "\"password\":",
        "\"key\":",
    ] {
        assert!(!all.contains(other), "{other} is in\n{all}");
    }
}

#[test]
fn an_archive_has_what_is_remembered_of_a_login_and_the_mails_that_wait_but_not_their_links() {
    // Nobody listens on port 1 of the loopback, so that mails wait.
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}[mail]\nserver = \"smtp://127.0.0.1:1\"\n");
    let host = Host::init().with_config(&config).start();
    host.account(ADA, &[]);
    host.account(EVE, &[]);
    host.login(ADA, "something else").expect_problem(401, "bad_credentials");
    let mut ada = host.member(ADA);
    for email in [ADA, EVE] {
        host.post("/auth/password/forgot", &json!({ "email": email }))
            .expect(204);
    }
    let before = archive(&ada);
    let known = before["known.json"]["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(known.len(), 1, "{before:?}");
    assert!(
        known[0]["network"]
            .as_str()
            .is_some_and(|network| network.starts_with("127.0.0.")),
        "{known:?}"
    );
    assert_eq!(before["factors.json"], json!({ "totp": false, "recovery_codes": 0 }));
    let mails = before["mails.json"]["items"].as_array().cloned().unwrap_or_default();
    let told = |mail: &Value| (mail["to"].clone(), mail["about"].clone(), mail["state"].clone());
    let told: Vec<_> = mails.iter().map(told).collect();
    assert_eq!(told, [(json!(ADA), json!("reset"), json!("waiting"))]);
    // With the link, whoever has a session would have the password.
    assert!(!format!("{before:?}").contains("token="), "{before:?}");

    host.turn_on_codes(&mut ada);
    let after = archive(&ada);
    assert_eq!(after["factors.json"], json!({ "totp": true, "recovery_codes": 10 }));
    assert_eq!(
        after["mails.json"]["items"].as_array().map(Vec::len),
        Some(2),
        "{after:?}"
    );
}
