//! The certificate of the API, from an authority that looks whether the name leads here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_peers::{Authority, Front};
use portcullis_tests::{Host, Setup, scratch};

const NAME: &str = "shop.example.org";

fn setup(authority: &Authority, name: &str) -> Setup {
    Host::init().with_config(&authority.config(name))
}

#[test]
fn a_certificate_is_got_shown_and_kept_for_the_next_start() {
    let (folder, front) = (scratch(), Front::open());
    let authority = Authority::start(folder.path(), front.port());
    let mut host = setup(&authority, NAME).start();
    front.lead_to(&host);
    let seen = |host: &Host| authority.look(host.api().authority(), NAME);
    host.wait_until("a certificate of the authority to be shown", || seen(&host).is_trusted);
    let first = seen(&host).text;
    assert!(first.contains("Pebble Intermediate CA"), "{first}");
    let kept = host.setup().directory().join("data/acme");
    for file in ["certificate.pem", "account.json"] {
        let mode = fs::metadata(kept.join(file))
            .expect("the file is kept")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert!(!authority.look(host.api().authority(), "www.example.org").is_trusted);

    // It is shown again at once, and nobody is asked for another.
    host.restart();
    front.lead_to(&host);
    let again = seen(&host);
    assert!(again.is_trusted, "{}", again.text);
    assert!(!host.log().contains("getting a certificate"), "{}", host.log());
}

#[test]
fn a_kept_certificate_that_cannot_be_used_is_replaced_by_a_host_that_starts_all_the_same() {
    let (folder, front) = (scratch(), Front::open());
    let authority = Authority::start(folder.path(), front.port());
    let mut host = setup(&authority, NAME).start();
    front.lead_to(&host);
    let is_trusted = |host: &Host| authority.look(host.api().authority(), NAME).is_trusted;
    host.wait_until("a certificate of the authority to be shown", || is_trusted(&host));

    let kept = host.setup().directory().join("data/acme/certificate.pem");
    fs::write(&kept, "<h1>It works!</h1>").expect("the file is writable");
    host.restart();
    front.lead_to(&host);
    host.wait_until("another certificate to be shown", || is_trusted(&host));
    assert!(
        host.log().contains("the certificate from before can't be used"),
        "{}",
        host.log()
    );
}

#[test]
fn where_the_name_leads_elsewhere_the_operator_is_told_and_the_host_serves() {
    let (folder, front) = (scratch(), Front::open());
    let authority = Authority::start(folder.path(), front.port());
    let host = setup(&authority, NAME).start();
    // The port leads nowhere.
    host.wait_for_log("no certificate was got");
    assert!(host.log().contains("Failed to connect"), "{}", host.log());
    let seen = authority.look(host.api().authority(), NAME);
    assert!(
        !seen.is_trusted && seen.text.contains("BEGIN CERTIFICATE"),
        "{}",
        seen.text
    );
}
