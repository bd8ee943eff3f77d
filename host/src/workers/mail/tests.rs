//! Mails: what is in them, and that nothing of a person gets out of its place.

use super::templates::Templates;
use super::*;
use crate::accounts::{About, Link};
use lettre::transport::smtp::response::Response;
use serde_json::json;

fn mail(about: About, name: Option<&str>) -> Mail {
    Mail {
        to: "ada@example.org".parse().unwrap(),
        name: name.map(str::to_owned),
        about,
        link: Some(Link {
            path: "/account/verify?token=pcl_a-b".to_owned(),
            minutes: 1_440,
        }),
        code: None,
        client: None,
    }
}

#[test]
fn a_mail_says_what_it_is_about_in_text_and_in_html() {
    let templates = Templates::load(None, "https://shop.example.org").unwrap();
    let rendered = templates.render(&mail(About::Confirm, Some("Ada"))).unwrap();
    assert_eq!(rendered.subject, "Confirm your e-mail address");
    assert!(rendered.text.starts_with("Hello Ada,"), "{}", rendered.text);
    for part in [&rendered.text, &rendered.html] {
        assert!(part.contains("24 hours") && part.contains("shop.example.org"), "{part}");
    }
    assert!(
        rendered
            .text
            .contains("\nhttps://shop.example.org/account/verify?token=pcl_a-b\n")
    );
}

#[test]
fn a_name_is_a_name_and_neither_markup_nor_a_header() {
    let templates = Templates::load(None, "https://shop.example.org").unwrap();
    let rendered = templates.render(&mail(About::Reset, Some("<b>Ada</b>"))).unwrap();
    assert!(
        rendered.html.contains("&lt;b&gt;Ada") && !rendered.html.contains("<b>Ada"),
        "{}",
        rendered.html
    );
    let folder = tempfile::tempdir().unwrap();
    let mailer = Mailer::new(&config::Mail::default(), folder.path(), "http://localhost").unwrap();
    let entry = Entry::new("mail", "ada", json!(null), 0);
    let message = mailer
        .message(&entry, &mail(About::Reset, Some("Ada\r\nBcc: eve@example.org")))
        .unwrap();
    let text = String::from_utf8(message.formatted()).unwrap();
    let headers = text.split("\r\n\r\n").next().unwrap();
    assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
    assert!(headers.contains(&format!("<{}@localhost>", entry.id)), "{headers}");
}

#[test]
fn an_operators_templates_take_the_place_of_the_hosts_and_are_tried_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let load = || Templates::load(Some(folder.path()), "https://shop.example.org");
    fs::write(folder.path().join("reset.txt"), "Subject: Neues Passwort\n\n{{ link }}").unwrap();
    let rendered = load().unwrap().render(&mail(About::Reset, None)).unwrap();
    assert_eq!(rendered.subject, "Neues Passwort");
    for bad in [
        "{{ link }}",
        "Subject: a\n\n{{ link",
        "Subject: a\n\n{{ nothing.at.all }}",
    ] {
        fs::write(folder.path().join("reset.txt"), bad).unwrap();
        let refused = load().err().unwrap();
        assert!(refused.contains("reset.txt"), "{refused}");
    }
}

#[test]
fn a_mail_is_given_up_for_what_is_wrong_with_it_and_not_for_what_is_wrong_with_the_host() {
    for (answer, given_up) in [
        ("550 5.1.1 no such user", true),
        ("552 too much", true),
        ("554 no", true),
        ("501 5.1.3 bad address", true),
        ("535 5.7.8 who?", false),
        ("530 no", false),
        ("421 later", false),
        ("451 later", false),
        ("554 5.7.1 the client is listed", false),
        ("550 5.1.8 bad sender", false),
    ] {
        let response: Response = format!("{answer}\r\n").parse().unwrap();
        let is_for_good = is_permanent(response.code()) && !is_about_the_host(&response.message().collect::<String>());
        assert_eq!(is_for_good, given_up, "{answer}");
    }
}

#[test]
fn mail_leaves_the_machine_only_encrypted() {
    for (given, used) in [
        ("smtps://mail.example.org", "smtps://mail.example.org"),
        (
            "smtp://mail.example.org:587",
            "smtp://mail.example.org:587?tls=required",
        ),
        (
            "smtp://localhost.example.org",
            "smtp://localhost.example.org?tls=required",
        ),
        ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
        ("smtp://[::1]:2525", "smtp://[::1]:2525"),
        ("smtp://localhost", "smtp://localhost"),
    ] {
        assert_eq!(encrypted(given), used);
    }
}
