//! TLS as OpenSSL speaks it: which versions are spoken, and which are not.

use std::process::Command;

use portcullis_peers::certify;
use portcullis_tests::{Host, scratch};

#[test]
fn versions_of_tls_that_are_broken_are_not_spoken() {
    let folder = scratch();
    certify(folder.path(), "127.0.0.1");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "[server.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        file("certificate.pem"),
        file("key.pem")
    );
    let host = Host::init().with_config(&config).start();
    for (version, name, is_spoken) in [
        ("-tls1", "TLSv1", false),
        ("-tls1_1", "TLSv1.1", false),
        ("-tls1_2", "TLSv1.2", true),
        ("-tls1_3", "TLSv1.3", true),
    ] {
        let said = hello(host.api().authority(), version);
        if is_spoken {
            assert!(
                said.contains(&format!("Protocol version: {name}\n")),
                "{version}: {said}"
            );
        } else {
            // The host's own word, and not that OpenSSL has not even asked.
            assert!(said.contains("SSL alert number"), "{version}: {said}");
        }
    }
}

/// What OpenSSL says of a connection in one version alone, with all that it can do, however weak.
#[track_caller]
fn hello(address: &str, version: &str) -> String {
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-brief",
            "-connect",
            address,
            "-cipher",
            "ALL:@SECLEVEL=0",
            version,
        ])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("openssl does not start ({error}): run `apt-get install -y openssl`"));
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}
