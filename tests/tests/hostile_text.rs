//! Text of attackers that reaches the log, the activity and mails: it stays the text of one line, one event, one mail.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Host, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";

fn host(log: &str) -> Host {
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}{log}");
    let host = Host::init().with_config(&config).start();
    host.account(ADA, &[]);
    host
}

/// What the host answers to a head of these lines, which no client would send, and a JSON body.
fn raw(host: &Host, lines: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(host.api().authority()).expect("the host listens");
    let body = body.to_string();
    let length = body.len();
    let more = format!("Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream
        .write_all(format!("{lines}\r\n{more}").as_bytes())
        .expect("the host reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the host answers");
    answer
}

fn wrong_login() -> Value {
    json!({ "email": ADA, "password": ANOTHER_PASSWORD })
}

/// What the clients of the failed logins called themselves, the first one first.
fn agents(host: &Host) -> Vec<String> {
    let activity = host.member(ADA).get("/auth/activity").expect(200).json();
    let failed = activity["items"].as_array().expect("items").iter().rev();
    failed
        .filter(|event| event["success"] == false)
        .map(|event| event["user_agent"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn what_a_client_calls_itself_is_kept_in_the_activity_without_what_would_break_out_of_it() {
    let host = host("");
    let json = "a\"},{\"act\":\"login";
    for agent in ["evil\tagent", json, &"x".repeat(1_000)] {
        let request = host.api().request("POST", "/auth/login").header("user-agent", agent);
        request.json(&wrong_login()).send().expect(401);
    }
    assert_eq!(agents(&host), ["evil agent", json, &"x".repeat(200)]);
}

#[test]
fn a_bare_line_feed_ends_a_header_whatever_follows_it() {
    let host = host("[log]\nlevel = \"debug\"\n");
    let head = "POST /auth/login HTTP/1.1\r\nHost: evil.example\r\nUser-Agent: a\nX-Injected: b";
    let answer = raw(&host, head, &wrong_login());
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(
        !answer.contains("evil.example") && !answer.to_ascii_lowercase().contains("injected"),
        "{answer}"
    );
    // What follows was a header of its own, and no part of this one.
    assert_eq!(agents(&host), ["a"]);
    host.wait_for_log("a request was refused");
    assert!(!host.log().contains("Injected"), "{}", host.log());
}

/// A path that would end its field, its line and its colour: `U+009B` begins a control sequence on a terminal, `U+0085` and
/// `U+2028` are line breaks to some programs.
const PATH: &str = "/api/a\",\"level\":\"ERROR\"}{\"forged\":1}\u{9b}31m\u{85}\u{2028}INFO";

/// Has the host refuse a few hostile requests; the last of them is in the log then.
fn provoke(host: &Host) {
    let id = "X-Request-Id: forged-id\" level=ERROR";
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{id}");
    let answer = raw(host, &head, &json!({}));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(!answer.contains("forged-id"), "{answer}");
    // A query may hold the token of a link, and a password or a token that is wrong here may be right elsewhere.
    let query = "POST /auth/login?token=pcl_secret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer pcs_secret";
    let answer = raw(host, query, &wrong_login());
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    raw(host, "POST /last HTTP/1.1\r\nHost: a", &json!({}));
    host.wait_for_log("/last");
}

#[test]
fn hostile_text_is_one_field_of_one_line_of_the_log() {
    let host = host("[log]\nlevel = \"debug\"\n");
    provoke(&host);
    let log = host.log();
    let hostile: Vec<&str> = log.split('\n').filter(|line| line.contains("forged")).collect();
    assert_eq!(hostile.len(), 1, "{log}");
    let line = hostile[0];
    assert!(line.contains("DEBUG http: a request was refused"), "{line}");
    let shown = r#"path="/api/a\",\"level\":\"ERROR\"}{\"forged\":1}\u{9b}31m\u{85}\u{2028}INFO" "#;
    assert!(line.contains(shown), "{line}");
    assert!(
        !log.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{2028}'),
        "{log:?}"
    );
    for secret in ["forged-id", "pcl_secret", "pcs_secret", ANOTHER_PASSWORD] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn hostile_text_is_one_member_of_one_object_of_the_log_for_machines() {
    let host = host("[log]\nlevel = \"debug\"\nformat = \"json\"\n");
    provoke(&host);
    let log = host.log();
    let lines: Vec<Value> = log
        .split_terminator('\n')
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let hostile: Vec<&Value> = lines
        .iter()
        .filter(|line| line["path"].as_str().is_some_and(|path| path.contains("forged")))
        .collect();
    assert_eq!(hostile.len(), 1, "{log}");
    let line = hostile[0];
    assert_eq!(
        (&line["path"], &line["level"], &line["status"]),
        (&json!(PATH), &json!("DEBUG"), &json!(400))
    );
    assert!(line.get("forged").is_none() && !log.contains("forged-id"), "{log}");
}

#[test]
fn the_host_header_decides_nothing() {
    let host = host("");
    let head = "POST /auth/password/forgot HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
                Forwarded: host=evil.example";
    let answer = raw(&host, head, &json!({ "email": ADA }));
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let mail = host.mail_to(ADA, 1);
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "{mail:?}");
    let link = format!("http://{}/account/reset?token=", host.api().authority());
    assert!(mail.text.contains(&link), "{mail:?}");
}
