//! Mail through a real mail server, which takes it only encrypted and from a user that it knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_peers::MailServer;
use portcullis_tests::{CHEAP_HASHING, Host, PASSWORD, scratch};
use serde_json::json;

/// A host that sends its mail to a server.
fn host(server: &MailServer, password: &str) -> Host {
    let setup = Host::init();
    let config = format!("{CHEAP_HASHING}{}", server.config("mail-password"));
    let file = setup.directory().join("mail-password");
    fs::write(&file, password).expect("a scratch directory takes files");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    setup
        .with_config(&config)
        .with_variable("SSL_CERT_FILE", &server.certificate())
        .start()
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
    let folder = scratch();
    let mut server = MailServer::prepare(folder.path());
    server.start();
    let host = host(&server, MailServer::password());
    register(&host, "ada@example.org");
    let mail = server.mail();
    assert!(mail.is_trusted);
    assert_eq!(mail.to, ["ada@example.org"]);
    host.post(
        "/auth/email/verify",
        &json!({ "token": token(&mail.content), "password": PASSWORD }),
    )
    .expect(200);
    host.login("ada@example.org", PASSWORD).expect(200);
}

#[test]
fn a_mail_server_that_is_not_there_yet_gets_every_mail_later() {
    let folder = scratch();
    let mut server = MailServer::prepare(folder.path());
    let mut host = host(&server, MailServer::password());
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
