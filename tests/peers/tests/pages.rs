//! The pages under `/account/` in a real browser, with and without script. The pictures are in `target/peers/screenshots`.

use std::panic::{self, AssertUnwindSafe};

use portcullis_peers::{Chromium, Front};
use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Host, PASSWORD};
use serde_json::json;

fn host(front: &Front) -> Host {
    let config = format!("{CHEAP_HASHING}[server]\npublic_url = \"{}\"\n", front.url());
    let host = Host::init().with_config(&config).start();
    front.lead_to(&host);
    host
}

/// The token of the mail that resets the password; a login from another device has caused one as well.
fn reset_token(host: &Host, email: &str) -> String {
    let mut found = None;
    host.wait_until("a mail with a link", || {
        found = host
            .mails_to(email)
            .into_iter()
            .find(|mail| mail.text.contains("/account/reset?"));
        found.is_some()
    });
    found.expect("it was waited for").token()
}

/// Waits for the page with this heading, which anybody can read and use, and keeps a picture of it.
#[track_caller]
fn show(chromium: &Chromium, heading: &str, name: &str) {
    chromium.wait_for("h1", heading);
    chromium.assert_seen();
    chromium.assert_accessible();
    chromium.picture(name);
}

#[test]
fn an_address_is_confirmed_and_a_password_reset_by_pressing_buttons() {
    let front = Front::open();
    let host = host(&front);
    for (chromium, name) in [
        (Chromium::start(), "script"),
        (Chromium::start_without_script(), "no-script"),
    ] {
        let email = format!("{name}@example.org");
        host.post("/auth/register", &json!({ "email": email, "password": PASSWORD }))
            .expect(201);
        let link = format!(
            "{}/account/verify?token={}",
            front.url(),
            host.mail_to(&email, 1).token()
        );
        chromium.open(&link);
        show(&chromium, "Confirm your e-mail address", &format!("verify-{name}"));
        // Nothing has happened yet.
        host.login(&email, PASSWORD).expect(401);
        chromium.fill("#password", ANOTHER_PASSWORD);
        chromium.press("button");
        chromium.wait_for_part("[role=alert]", "another password");
        show(
            &chromium,
            "Confirm your e-mail address",
            &format!("verify-wrong-{name}"),
        );
        // Whoever reads the mail may have the account with a password of their own.
        chromium.fill("#new", "passwordpassword");
        chromium.press("button");
        chromium.wait_for_part("[role=alert]", "too easy to guess");
        chromium.fill("#new", PASSWORD);
        chromium.press("button");
        show(&chromium, "The address is confirmed", &format!("verified-{name}"));
        host.login(&email, PASSWORD).expect(200);
        chromium.open(&link);
        show(&chromium, "This did not work", &format!("spent-{name}"));

        host.post("/auth/password/forgot", &json!({ "email": email }))
            .expect(204);
        chromium.open(&format!(
            "{}/account/reset?token={}",
            front.url(),
            reset_token(&host, &email)
        ));
        show(&chromium, "Set a new password", &format!("reset-{name}"));
        chromium.fill("#new", "passwordpassword");
        chromium.press("button");
        chromium.wait_for_part("[role=alert]", "too easy to guess");
        show(&chromium, "Set a new password", &format!("reset-wrong-{name}"));
        chromium.fill("#new", ANOTHER_PASSWORD);
        chromium.press("button");
        show(&chromium, "The password is set", &format!("reset-done-{name}"));
        host.login(&email, ANOTHER_PASSWORD).expect(200);
    }
}

#[test]
fn the_first_administrator_is_made_on_a_page_and_sessions_end_on_another() {
    let front = Front::open();
    let host = host(&front);
    let chromium = Chromium::start_without_script();
    let (email, link) = ("root@example.org", format!("{}{}", front.url(), host.setup_link()));
    chromium.open(&link);
    show(&chromium, "Make the first administrator", "setup");
    chromium.fill("#email", email);
    chromium.fill("#new", "passwordpassword");
    chromium.press("button");
    chromium.wait_for_part("[role=alert]", "too easy to guess");
    show(&chromium, "Make the first administrator", "setup-wrong");
    chromium.fill("#new", PASSWORD);
    chromium.press("button");
    show(&chromium, "The account is made", "setup-done");
    let root = host.member(email);
    let me = root.get("/auth/me").expect(200).json();
    assert_eq!(me["roles"], json!(["admin"]));
    chromium.open(&link);
    show(&chromium, "This did not work", "setup-spent");

    for _ in 0..10 {
        host.login(email, ANOTHER_PASSWORD).expect(401);
    }
    // A login from another device has caused a mail as well.
    let mut mails = Vec::new();
    host.wait_until("a mail about many failures", || {
        mails = host.mails_to(email);
        mails.iter().any(|mail| mail.subject.starts_with("Many failed"))
    });
    let mail = mails.iter().find(|mail| mail.subject.starts_with("Many failed"));
    let token = mail.expect("it was waited for").token();
    chromium.open(&format!("{}/account/end-session?token={token}", front.url()));
    show(&chromium, "Sign out", "end-session");
    root.get("/auth/me").expect(200);
    chromium.press("button");
    show(&chromium, "Signed out", "end-session-done");
    root.get("/auth/me").expect(401);
}

#[test]
fn the_pages_can_be_read_in_the_dark() {
    let front = Front::open();
    let host = host(&front);
    let chromium = Chromium::start_in_the_dark();
    chromium.open(&format!("{}{}", front.url(), host.setup_link()));
    chromium.fill("#email", "root@example.org");
    chromium.fill("#new", "passwordpassword");
    chromium.press("button");
    chromium.wait_for_part("[role=alert]", "too easy to guess");
    show(&chromium, "Make the first administrator", "setup-dark");
    chromium.open(&format!("{}/account/reset?token=none", front.url()));
    show(&chromium, "This did not work", "spent-dark");
}

#[test]
fn the_pages_fit_on_a_phone() {
    let front = Front::open();
    let host = host(&front);
    let chromium = Chromium::start();
    chromium.shrink(360, 740);
    chromium.open(&format!("{}{}", front.url(), host.setup_link()));
    show(&chromium, "Make the first administrator", "setup-narrow");
    // A browser takes a page that says nothing of phones for a wide one, and shows all of it small.
    assert_eq!(chromium.script("return innerWidth"), 360);
    chromium.fill("#email", "root@example.org");
    chromium.fill("#new", "passwordpassword");
    chromium.press("button");
    chromium.wait_for_part("[role=alert]", "too easy to guess");
    show(&chromium, "Make the first administrator", "setup-wrong-narrow");
    assert_eq!(chromium.script("return innerWidth"), 360);
}

/// What a check says that fails.
#[track_caller]
fn complaint(check: impl FnOnce()) -> String {
    let failed = panic::catch_unwind(AssertUnwindSafe(check)).expect_err("the page passes");
    let said = failed
        .downcast::<String>()
        .expect("an assertion says what it has found");
    *said
}

#[test]
fn the_check_of_what_is_seen_finds_what_is_not() {
    let chromium = Chromium::start();
    let hides = "hides something";
    for (page, fault) in [
        ("<main></main>", "is blank"),
        ("<main style='opacity:0'>words</main>", "is blank"),
        ("<main>words <b style='visibility:hidden'>more</b></main>", hides),
        (
            "<main>words</main><p style='width:2000px'>wide</p>",
            "is wider than the window",
        ),
        (
            "<main>words <b style='position:absolute;left:-50px'>more</b></main>",
            hides,
        ),
    ] {
        chromium.open(&format!("data:text/html,<!doctype html>{page}"));
        let said = complaint(|| chromium.assert_seen());
        assert!(said.contains(fault), "{page}: {said}");
    }
    chromium.open("data:text/html,<!doctype html><main>words <input type='hidden'><input></main>");
    chromium.assert_seen();
}

#[test]
fn the_check_of_accessibility_finds_faults() {
    let chromium = Chromium::start();
    chromium.open("data:text/html,<p style='color:%23ccc'>pale</p><input>");
    let said = complaint(|| chromium.assert_accessible());
    assert!(said.contains("has faults") && said.contains("color-contrast"), "{said}");
}
