//! A log that nobody can write, on a full disk or into a pipe that nobody reads, keeps a host from nothing.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use portcullis_tests::{Client, binary, scratch};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// Says much, so that much can't be said.
const LEVEL: &str = "debug";

#[test]
fn a_host_serves_and_stops_cleanly_while_its_log_can_not_be_written() {
    let full = || {
        Stdio::from(
            File::options()
                .write(true)
                .open("/dev/full")
                .expect("Linux has /dev/full"),
        )
    };
    let unread = || {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        Stdio::from(writer)
    };
    for (what, log) in [("a full disk", full()), ("a pipe without a reader", unread())] {
        let directory = scratch();
        let mut host = Command::new(binary())
            .args(["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .current_dir(directory.path())
            .env("PORTCULLIS_LOG", LEVEL)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        let mut said = BufReader::new(host.stdout.take().expect("stdout is piped"));
        let api = Client::new(&address(&mut said));
        api.get("/healthz").expect(200);
        // What is refused is logged, at this level.
        api.get("/api/nothing").expect_problem(404, "not_found");
        api.post("/api/batch", &json!({}))
            .expect_problem(400, "malformed_batch");
        kill_process(Pid::from_child(&host), Signal::TERM).expect("the host is there");
        let status = host.wait().expect("the host ends");
        assert!(status.success(), "{what}: {status}");
    }
}

/// The first line that the host prints.
fn address(said: &mut impl BufRead) -> String {
    let mut line = String::new();
    said.read_line(&mut line).expect("the host says where it listens");
    let address = line.trim().strip_prefix("api ").map(str::to_owned);
    address.unwrap_or_else(|| panic!("{line:?} is no address"))
}
