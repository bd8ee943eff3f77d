//! The outbox of a running host: what a mail server refuses for good waits for the operator, who has it tried again or drops it.

use std::process::Output;

use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Host, MailServer, PASSWORD};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
/// An id that no dead letter has.
const NOTHING: &str = "01890000-0000-7000-8000-000000000000";

fn host(server: &MailServer) -> Host {
    let config = format!("{CHEAP_HASHING}{}", server.config());
    Host::init().with_config(&config).start()
}

/// What the admin API lists of one state.
fn listed(host: &Host, state: &str) -> Vec<Value> {
    let path = format!("/admin/api/outbox?state={state}");
    let list = host.admin().get(&path).expect(200).json();
    list["items"].as_array().expect("items").clone()
}

/// The only dead letter, once there is one: the mail that confirms a registration.
fn dead_letter(host: &Host, email: &str) -> Value {
    let new = json!({ "email": email, "password": PASSWORD });
    host.post("/auth/register", &new).expect(201);
    host.wait_until("the mail to be refused", || listed(host, "dead").len() == 1);
    listed(host, "dead").remove(0)
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().expect("an id")
}

#[track_caller]
fn stdout(done: &Output) -> String {
    assert!(done.status.success(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The token of the link in a mail.
#[track_caller]
fn token(mail: &str) -> &str {
    let link = mail.split_once("?token=").expect("a link is in the mail").1;
    link.split_whitespace().next().expect("a token is in the link")
}

/// `portcullis outbox ARGUMENTS`
fn command(host: &Host, arguments: &[&str]) -> Output {
    host.to_admin(&[&["outbox"], arguments].concat())
}

#[test]
fn a_mail_that_is_refused_for_good_is_a_dead_letter_and_is_delivered_once_it_is_tried_again() {
    let server = MailServer::refusing();
    let host = host(&server);
    let letter = dead_letter(&host, ADA);
    assert_eq!(
        (&letter["target"], &letter["key"], &letter["attempts"]),
        (&json!("mail"), &json!(ADA), &json!(1))
    );
    assert!(
        letter["reason"].as_str().is_some_and(|reason| reason.contains("550")),
        "{letter}"
    );
    let mut members: Vec<&String> = letter.as_object().expect("an object").keys().collect();
    members.sort();
    let shown = [
        "about",
        "attempts",
        "created_at",
        "id",
        "key",
        "next_attempt_at",
        "reason",
        "target",
    ];
    assert_eq!(members, shown, "nothing of what is in the mail");
    assert_eq!(letter["about"], "confirm");
    assert_eq!(listed(&host, "waiting"), [] as [Value; 0]);

    let told = stdout(&command(&host, &["list", "--dead"]));
    assert!(
        told.contains(id(&letter)) && told.contains(ADA) && told.contains("550"),
        "{told}"
    );
    let told_as_json = stdout(&command(&host, &["list", "--dead", "-o", "json"]));
    let told_as_json: Value = serde_json::from_str(&told_as_json).expect("JSON");
    assert_eq!(told_as_json, json!({ "items": [letter], "next_cursor": null }));
    assert_eq!(stdout(&command(&host, &["list"])).trim(), "nothing");

    server.answer("250 fine");
    assert_eq!(stdout(&command(&host, &["retry", id(&letter)])).trim(), "tried again");
    let mail = server.mail();
    let token = token(&mail);
    assert!(
        !told.contains(token) && !letter.to_string().contains(token),
        "whoever reads the list confirms the address"
    );
    let confirmed = json!({ "token": token, "password": PASSWORD });
    host.post("/auth/email/verify", &confirmed).expect(200);
    host.wait_until("nothing to be left", || {
        listed(&host, "waiting").is_empty() && listed(&host, "dead").is_empty()
    });
    assert!(server.has_no_more(), "it is delivered once");
}

#[test]
fn a_dead_letter_that_is_tried_again_waits_like_a_new_one_while_the_server_has_trouble() {
    let server = MailServer::refusing();
    let host = host(&server);
    let letter = dead_letter(&host, ADA);
    server.answer("451 not now");
    let before = server.asked();
    let retry = format!("/admin/api/outbox/{}/retry", id(&letter));
    host.admin().post(&retry, &json!({})).expect(204);
    assert_eq!(listed(&host, "dead"), [] as [Value; 0]);
    let mut waiting = Value::Null;
    host.wait_until("it to be tried", || {
        waiting = listed(&host, "waiting").remove(0);
        waiting["attempts"].as_u64() >= Some(1)
    });
    // Only what came since then counts, most likely one attempt, and not two: it is tried as often as a new one.
    assert!(
        waiting["attempts"].as_u64() <= Some(server.asked() - before),
        "{waiting}"
    );
    assert_eq!(waiting["id"], letter["id"]);
    assert!(
        waiting["reason"].as_str().is_some_and(|reason| reason.contains("451")),
        "{waiting}"
    );
    // What waits is no dead letter.
    host.admin().post(&retry, &json!({})).expect_problem(404, "not_found");
    let drop = format!("/admin/api/outbox/{}", id(&letter));
    host.admin().delete(&drop).expect_problem(404, "not_found");
    assert!(stdout(&command(&host, &["list"])).contains(id(&letter)));
    server.answer("250 fine");
    assert!(server.mail().contains(ADA));
}

#[test]
fn a_server_that_turns_the_host_away_makes_no_dead_letters() {
    let server = MailServer::refusing();
    server.answer("250 fine");
    server.greet(554);
    let host = host(&server);
    let new = json!({ "email": ADA, "password": PASSWORD });
    host.post("/auth/register", &new).expect(201);
    host.wait_until("an attempt", || {
        listed(&host, "waiting")
            .iter()
            .any(|waiting| waiting["attempts"].as_u64() >= Some(1))
    });
    let waiting = listed(&host, "waiting").remove(0);
    let reason = waiting["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("554") && reason.contains("no mail at all"), "{reason}");
    assert_eq!(listed(&host, "dead"), [] as [Value; 0]);
    server.greet(220);
    assert!(server.mail().contains(ADA));
    // Others let everybody in, and look into their lists when they hear for whom a mail is.
    server.answer("554 5.7.1 the client is listed");
    let new = json!({ "email": "eve@example.org", "password": PASSWORD });
    host.post("/auth/register", &new).expect(201);
    host.wait_until("an attempt", || {
        let waiting = listed(&host, "waiting");
        waiting.iter().any(|waiting| {
            waiting["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("listed"))
        })
    });
    assert_eq!(listed(&host, "dead"), [] as [Value; 0]);
}

#[test]
fn a_dead_letter_that_is_dropped_is_gone_and_there_is_nothing_to_retry() {
    let server = MailServer::refusing();
    let host = host(&server);
    let first = dead_letter(&host, ADA);
    assert_eq!(stdout(&command(&host, &["drop", id(&first)])).trim(), "dropped");
    assert_eq!(listed(&host, "dead"), [] as [Value; 0]);
    let second = dead_letter(&host, "eve@example.org");
    host.admin()
        .delete(&format!("/admin/api/outbox/{}", id(&second)))
        .expect(204);
    assert_eq!(stdout(&command(&host, &["list", "--dead"])).trim(), "nothing");

    for gone in [id(&first), id(&second), NOTHING] {
        for act in ["retry", "drop"] {
            let done = command(&host, &[act, gone]);
            assert_eq!(done.status.code(), Some(1), "{act} {gone}: {done:?}");
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(said.contains("there is no such dead letter"), "{said}");
        }
        let path = format!("/admin/api/outbox/{gone}");
        host.admin()
            .post(&format!("{path}/retry"), &json!({}))
            .expect_problem(404, "not_found");
        host.admin().delete(&path).expect_problem(404, "not_found");
    }
    host.admin()
        .delete("/admin/api/outbox/not-an-id")
        .expect_problem(404, "not_found");
    server.answer("250 fine");
    // Mails to one address are sent one after the other: were the first still there, it would come first.
    let again = json!({ "email": ADA, "password": ANOTHER_PASSWORD });
    host.post("/auth/register", &again).expect(201);
    let confirmed = json!({ "token": token(&server.mail()), "password": ANOTHER_PASSWORD });
    host.post("/auth/email/verify", &confirmed).expect(200);
    assert!(server.has_no_more());
}

#[test]
fn all_dead_letters_are_tried_again_or_dropped_at_once() {
    let server = MailServer::refusing();
    let host = host(&server);
    let register = |number: usize| {
        let new = json!({ "email": format!("ada{number}@example.org"), "password": PASSWORD });
        host.post("/auth/register", &new).expect(201);
    };
    (0..3).for_each(register);
    host.wait_until("three mails to be refused", || listed(&host, "dead").len() == 3);
    server.answer("250 fine");
    assert_eq!(stdout(&command(&host, &["retry", "--all"])).trim(), "3 tried again");
    (0..3).for_each(|_| drop(server.mail()));
    server.answer("550 no");
    (3..5).for_each(register);
    host.wait_until("two more to be refused", || listed(&host, "dead").len() == 2);
    assert_eq!(stdout(&command(&host, &["drop", "--all"])).trim(), "2 dropped");
    assert_eq!(listed(&host, "dead"), [] as [Value; 0]);
    // Whoever may not ask is not told what there is, whatever they ask for.
    let stranger = host.admin().with_token("nobody");
    stranger.delete("/admin/api/outbox/none").expect(401);
    stranger.post("/admin/api/outbox/none/retry", &json!({})).expect(401);
    // One of the two has to be said.
    assert_eq!(command(&host, &["drop"]).status.code(), Some(2));
}
