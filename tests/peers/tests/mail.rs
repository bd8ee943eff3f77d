//! Mail through a real mail server, which takes it only encrypted and from a user that it knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_peers::{MailServer, Tls};
use portcullis_tests::{CHEAP_HASHING, Host, PASSWORD, Setup, scratch};
use serde_json::json;

/// A host that sends its mail to a server, whose certificate it trusts.
fn host(server: &MailServer) -> Host {
    of(server, MailServer::password())
        .with_variable("SSL_CERT_FILE", &server.certificate())
        .start()
}

/// The same with another password, and without that trust.
fn of(server: &MailServer, password: &str) -> Setup {
    let setup = Host::init();
    let config = format!("{CHEAP_HASHING}{}", server.config("mail-password"));
    let file = setup.directory().join("mail-password");
    fs::write(&file, password).expect("a scratch directory takes files");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    setup.with_config(&config)
}

fn register(host: &Host, email: &str) {
    host.post("/auth/register", &json!({ "email": email, "password": PASSWORD }))
        .expect(201);
}

/// The token of the link in a mail, whose lines are folded as those of quoted-printable are.
fn token(content: &str) -> String {
    let unfolded = content.replace("=\r\n", "").replace("=3D", "=");
    let found = unfolded
        .split_once("?token=")
        .map(|(_, rest)| rest.split_whitespace().next());
    found
        .flatten()
        .unwrap_or_else(|| panic!("no link is in {content}"))
        .to_owned()
}

#[test]
fn a_registration_is_confirmed_with_the_mail_that_arrives_encrypted_and_from_a_known_user() {
    for tls in [Tls::OnCommand, Tls::First] {
        let folder = scratch();
        let mut server = MailServer::prepare(folder.path(), tls);
        server.start();
        let host = host(&server);
        register(&host, "ada@example.org");
        let mail = server.mail();
        assert!(mail.is_trusted, "{tls:?}");
        assert_eq!(mail.to, ["ada@example.org"]);
        host.post(
            "/auth/email/verify",
            &json!({ "token": token(&mail.content), "password": PASSWORD }),
        )
        .expect(200);
        host.login("ada@example.org", PASSWORD).expect(200);
    }
}

#[test]
fn a_server_that_is_not_trusted_or_does_not_know_the_host_gets_no_mail_and_none_is_lost() {
    for tls in [Tls::OnCommand, Tls::First] {
        let folder = scratch();
        let mut server = MailServer::prepare(folder.path(), tls);
        server.start();
        let stranger = of(&server, "another password").with_variable("SSL_CERT_FILE", &server.certificate());
        for (mut host, reason) in [
            (of(&server, MailServer::password()).start(), "certificate"),
            (stranger.start(), "535"),
        ] {
            register(&host, "ada@example.org");
            let mut waiting = json!(null);
            host.wait_until("an attempt", || {
                waiting = host.admin().get("/admin/api/outbox").expect(200).json();
                waiting["items"][0]["attempts"].as_u64() >= Some(1)
            });
            let said = waiting["items"][0]["reason"].as_str().unwrap_or_default();
            assert!(said.contains(reason), "{tls:?}: {said}");
            assert!(server.has_no_more(), "{tls:?}: {reason}");
            host.kill();
        }
    }
}

#[test]
fn a_mail_server_that_is_not_there_yet_gets_every_mail_later() {
    let folder = scratch();
    let mut server = MailServer::prepare(folder.path(), Tls::OnCommand);
    let mut host = host(&server);
    for name in ["ada", "bob", "eve"] {
        register(&host, &format!("{name}@example.org"));
    }
    host.kill();
    host.restart();
    server.start();
    let mut reached: Vec<String> = (0..3).flat_map(|_| server.mail().to).collect();
    reached.sort();
    assert_eq!(reached, ["ada@example.org", "bob@example.org", "eve@example.org"]);
}
