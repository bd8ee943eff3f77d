//! Mails that tell somebody of a change to their account. Each has a link that ends all sessions: it may have been somebody else.

use portcullis_tests::{ANOTHER_PASSWORD, CHEAP_HASHING, Client, Host, PASSWORD, UNLIMITED_ATTEMPTS};
use serde_json::json;

const FACTOR: &str = "The second factor of your account was changed";
const OTHER_PASSWORD: &str = "Your password was changed";
const TOKEN: &str = "Your account has a new token for programs";

/// Somebody who is signed in.
struct Owner {
    id: String,
    email: String,
    password: &'static str,
    client: Client,
}

/// Something that the owner of an account is told of.
struct Change {
    what: &'static str,
    make: fn(&Host, &mut Owner),
    /// Which of the owner's mails tells of it.
    mail: usize,
    subject: &'static str,
    /// Whether it ends all sessions itself; the link is then for those that began since.
    ends_all: bool,
}

const CHANGES: [Change; 7] = [
    Change {
        what: "codes were turned on",
        make: codes_on,
        mail: 1,
        subject: FACTOR,
        ends_all: false,
    },
    Change {
        what: "codes were turned off",
        make: codes_off,
        mail: 2,
        subject: FACTOR,
        ends_all: false,
    },
    Change {
        what: "there are new recovery codes",
        make: recovery_codes,
        mail: 2,
        subject: FACTOR,
        ends_all: false,
    },
    Change {
        what: "an administrator has removed the second factors",
        make: factors_removed,
        mail: 2,
        subject: FACTOR,
        ends_all: true,
    },
    Change {
        what: "the password was changed",
        make: password_changed,
        mail: 1,
        subject: OTHER_PASSWORD,
        ends_all: false,
    },
    Change {
        what: "the password was reset",
        make: password_reset,
        mail: 2,
        subject: OTHER_PASSWORD,
        ends_all: true,
    },
    Change {
        what: "a token was made",
        make: token_made,
        mail: 1,
        subject: TOKEN,
        ends_all: false,
    },
];

fn codes_on(host: &Host, owner: &mut Owner) {
    host.turn_on_codes(&mut owner.client);
}

fn codes_off(host: &Host, owner: &mut Owner) {
    codes_on(host, owner);
    owner.client.delete("/auth/totp").expect(204);
}

fn recovery_codes(host: &Host, owner: &mut Owner) {
    codes_on(host, owner);
    owner.client.post("/auth/recovery-codes", &json!({})).expect(200);
}

fn factors_removed(host: &Host, owner: &mut Owner) {
    codes_on(host, owner);
    let path = format!("/admin/api/accounts/{}/factors", owner.id);
    host.admin().delete(&path).expect(204);
}

fn password_changed(host: &Host, owner: &mut Owner) {
    let new = json!({ "new": ANOTHER_PASSWORD });
    owner.client = host.with_token_of(&owner.client.post("/auth/password", &new).expect(200));
}

fn password_reset(host: &Host, owner: &mut Owner) {
    let asked = json!({ "email": owner.email });
    host.post("/auth/password/forgot", &asked).expect(204);
    let token = host.mail_to(&owner.email, 1).token();
    let reset = json!({ "token": token, "new": ANOTHER_PASSWORD });
    host.post("/auth/password/reset", &reset).expect(204);
    owner.password = ANOTHER_PASSWORD;
}

fn token_made(_: &Host, owner: &mut Owner) {
    let token = json!({ "name": "a program", "scopes": ["read"] });
    owner.client.post("/auth/tokens", &token).expect(201);
}

/// Opens a link as a browser does: where the form on its page goes, and what it sends.
fn opened(host: &Host, link: &str) -> (String, String) {
    let path = link.find("/account/").map(|start| &link[start..]);
    let path = path.unwrap_or_else(|| panic!("{link} leads to no page"));
    let page = host.get(path).expect(200).text().replace("&#x2f;", "/");
    let value = |before: &str| {
        let found = page.split_once(before).and_then(|(_, rest)| rest.split_once('"'));
        let (value, _) = found.unwrap_or_else(|| panic!("there is no {before} in {page}"));
        value.to_owned()
    };
    let token = value("name=\"token\" value=\"");
    (value("<form method=\"post\" action=\""), format!("token={token}"))
}

#[test]
fn whoever_is_told_of_a_change_ends_all_sessions_with_the_link_of_the_mail() {
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}");
    let host = Host::init().with_config(&config).start();
    for (number, change) in CHANGES.iter().enumerate() {
        let Change { what, ends_all, .. } = *change;
        let email = format!("ada{number}@example.org");
        let mut owner = Owner {
            id: host.account(&email, &[]),
            client: host.member(&email),
            password: PASSWORD,
            email,
        };
        (change.make)(&host, &mut owner);
        let left = owner.client.get("/auth/me").status;
        assert_eq!(left, if ends_all { 401 } else { 200 }, "{what}");
        let mail = host.mail_to(&owner.email, change.mail);
        assert_eq!(mail.subject, change.subject, "{what}");
        if ends_all {
            let login = host.login(&owner.email, owner.password).expect(200);
            owner.client = host.with_token_of(&login);
        }
        let (action, form) = opened(&host, mail.link());
        assert_eq!(
            owner.client.get("/auth/me").status,
            200,
            "{what}: the link was only opened"
        );
        let pressed = host.api().request("POST", &action);
        let pressed = pressed.body("application/x-www-form-urlencoded", form).send();
        assert_eq!(pressed.status, 200, "{what}");
        assert_eq!(owner.client.get("/auth/me").status, 401, "{what}");
    }
}
