//! A certificate authority that speaks ACME: `pebble`, of Let's Encrypt, with a name server that leads every name to this machine.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::json;

use crate::tools::{Running, certify, free_ports};

const REMEDY: &str = "apt-get install pebble openssl";
/// Where every name leads: to the listeners of the tests.
const CHALLENGED: &str = "127.0.0.1";
/// How many authorities this process has started.
static STARTED: AtomicU8 = AtomicU8::new(0);

/// An authority that runs until it is dropped.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    address: String,
    port: u16,
    management_port: u16,
    _running: [Running; 2],
}

/// What was shown to one who asked a listener for a name over TLS.
#[derive(Debug)]
pub struct Seen {
    /// Whether it leads to a certificate that the one who asks trusts, and is for the name.
    pub is_trusted: bool,
    /// What was said.
    pub text: String,
}

impl Authority {
    /// An authority that looks for the answers to its challenges on this port; its files go into `folder`.
    #[track_caller]
    pub fn start(folder: &Path, challenged_port: u16) -> Self {
        // Each has an address of its own: between the moment when a port is found free and that when it is listened on, nobody
        // else takes one there.
        let address = format!("127.0.1.{}", STARTED.fetch_add(1, Ordering::Relaxed) + 1);
        certify(folder, &address);
        let [port, management_port, names, names_management] = free_ports(&address);
        let config = json!({ "pebble": {
            "listenAddress": format!("{address}:{port}"),
            "managementListenAddress": format!("{address}:{management_port}"),
            "certificate": folder.join("certificate.pem"),
            "privateKey": folder.join("key.pem"),
            "httpPort": 1,
            "tlsPort": challenged_port,
            "ocspResponderURL": "",
        }});
        let settings = folder.join("pebble.json");
        fs::write(&settings, config.to_string()).expect("the folder takes files");
        let mut name_server = Command::new("pebble-challtestsrv");
        name_server
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-defaultIPv4", CHALLENGED, "-dns01", &format!("{address}:{names}")])
            .args(["-management", &format!("{address}:{names_management}")]);
        let (name_server, _) = Running::start(&mut name_server, REMEDY);
        let mut pebble = Command::new("pebble");
        pebble
            .arg("-config")
            .arg(&settings)
            .args(["-strict", "-dnsserver", &format!("{address}:{names}")])
            // It would wait for some seconds before it looks.
            .env("PEBBLE_VA_NOSLEEP", "1")
            // It would refuse one nonce of twenty, by chance.
            .env("PEBBLE_WFE_NONCEREJECT", "0");
        let (pebble, lines) = Running::start(&mut pebble, REMEDY);
        Running::first(&lines, REMEDY, |line| {
            line.contains("ACME directory available").then_some(())
        });
        Self {
            folder: folder.to_owned(),
            address,
            port,
            management_port,
            _running: [name_server, pebble],
        }
    }

    /// The section of `portcullis.toml` that gets a certificate for a name.
    pub fn config(&self, name: &str) -> String {
        format!(
            "[server.acme]\ndomains = [\"{name}\"]\ncontact = \"ops@example.org\"\naccept_terms = true\n\
             directory = \"https://{}:{}/dir\"\ntrust = \"{}\"\n",
            self.address,
            self.port,
            self.folder.join("certificate.pem").display()
        )
    }

    /// What a listener shows to one who trusts this authority.
    pub fn look(&self, address: &str, name: &str) -> Seen {
        let root = self.folder.join("root.pem");
        if !root.exists() {
            let own = self.folder.join("certificate.pem");
            let management = format!("{}:{}", self.address, self.management_port);
            let answer = ask(&management, &self.address, &own, "GET /roots/0 HTTP/1.0\r\n\r\n");
            let at = answer
                .find("-----BEGIN")
                .unwrap_or_else(|| panic!("no certificate is in {answer}"));
            fs::write(&root, &answer[at..]).expect("the folder takes files");
        }
        let text = ask(address, name, &root, "");
        Seen {
            is_trusted: text.contains("Verify return code: 0 (ok)"),
            text,
        }
    }
}

/// Opens a connection, says something, and returns what comes back and what is to be said of the certificate.
#[track_caller]
fn ask(address: &str, name: &str, trust: &Path, said: &str) -> String {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            address,
            "-servername",
            name,
            "-verify_hostname",
            name,
            "-CAfile",
        ])
        .arg(trust)
        .args(if said.is_empty() {
            &["-brief"][..0]
        } else {
            &["-ign_eof"]
        })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("openssl does not start ({error}): run `{REMEDY}`"));
    let mut stdin = client.stdin.take().expect("stdin is piped");
    // It may have gone away already, which its answer tells.
    let _ = stdin.write_all(said.as_bytes());
    drop(stdin);
    let output = client.wait_with_output().expect("openssl ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
