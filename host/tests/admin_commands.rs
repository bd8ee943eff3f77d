//! The commands that talk to a running host, whose part a few lines of plain code play here.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed, helpers included"
)]

mod common;

use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use common::{command, scratch, stderr, stdout};

#[test]
fn the_token_comes_from_the_data_directory_or_from_the_environment() {
    let host = Host::start(|_| (200, json!({}).to_string().into()));
    host.command(&["reload"]);
    let output = host
        .prepare(&["reload"])
        .env("PORTCULLIS_TOKEN", "other")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let tokens: Vec<String> = host.requests().iter().map(|request| request.token.clone()).collect();
    assert_eq!(tokens, ["Bearer secret", "Bearer other"]);
}

#[test]
fn a_refused_token_is_said_to_be_refused() {
    let host = Host::start(|_| (401, json!({"title": "Unauthorized"}).to_string().into()));
    let output = host.command(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("operator token"), "{}", stderr(&output));
}

#[test]
fn a_reload_that_is_refused_shows_the_reason() {
    let host = Host::start(|_| {
        (
            422,
            json!({"detail": "error: unknown key `colections`"}).to_string().into(),
        )
    });
    let output = host.command(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("unknown key `colections`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_import_sends_batches_and_reports_bad_lines() {
    let host = Host::start(|request| {
        let documents: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        let answers = documents
            .iter()
            .enumerate()
            .map(|(index, document)| match document["sku"].as_str() {
                Some("bad") => json!({"index": index, "status": 422, "problem": {
                "title": "Invalid", "errors": [{"pointer": "/sku", "message": "is bad"}]}}),
                _ => json!({"index": index, "status": 201}),
            });
        (200, Value::Array(answers.collect()).to_string().into())
    });
    let mut lines: Vec<String> = (0..600)
        .map(|number| json!({"name": number.to_string()}).to_string())
        .collect();
    lines[9] = json!({"name": "bad"}).to_string();
    lines[19] = "{".to_owned();
    let file = host.file("lines.jsonl", &lines.join("\n"));
    let output = host.command(&["import", "products", &file, "--rename", "name=sku", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("line 10: 422 Invalid: /sku is bad") && said.contains("line 20: "),
        "{said}"
    );
    let result: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(result["imported"], 598);
    assert_eq!(
        result["failed"][0],
        json!({"line": 10, "reason": "422 Invalid: /sku is bad"})
    );
    let requests = host.requests();
    let paths: Vec<&str> = requests.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(paths, ["POST /admin/api/import/products HTTP/1.1"; 2]);
}

#[test]
fn an_import_without_a_bad_line_succeeds() {
    let host = Host::start(|_| (200, json!([{"index": 0, "status": 201}]).to_string().into()));
    let file = host.file("lines.jsonl", "{}\n");
    let output = host.command(&["import", "products", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "1 of 1 lines imported\n");
}

#[test]
fn an_import_sends_again_what_the_host_was_too_busy_for() {
    let answers = Mutex::new(vec![201, 503]);
    let host = Host::start(move |_| {
        let status = answers.lock().unwrap().pop().unwrap_or(500);
        (200, json!([{"index": 0, "status": status}]).to_string().into())
    });
    let file = host.file("lines.jsonl", "{}\n");
    let output = host.command(&["import", "products", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(host.requests().len(), 2);
}

#[test]
fn an_import_never_sends_again_what_may_be_written() {
    let host = Host::start(|_| {
        let answer = json!([{"index": 0, "status": 503, "problem": {"code": "outcome_unknown", "title": "Unknown"}}]);
        (200, answer.to_string().into())
    });
    let file = host.file("lines.jsonl", "{}\n");
    assert_eq!(host.command(&["import", "products", &file]).status.code(), Some(1));
    assert_eq!(host.requests().len(), 1);
}

#[test]
fn an_import_that_stops_says_at_which_line() {
    let host = Host::start(|_| (404, json!({"detail": "there is no such resource"}).to_string().into()));
    let file = host.file("lines.jsonl", "\n{}\n");
    let output = host.command(&["import", "products", &file]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("line 2") && said.contains("there is no such resource"),
        "{said}"
    );
}

#[test]
fn a_backup_is_a_new_file() {
    let host = Host::start(|_| (200, b"the whole store".to_vec()));
    let file = host.directory.path().join("store.dump");
    let file = file.to_str().unwrap();
    let output = host.command(&["backup", file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read(file).unwrap(), b"the whole store");
    let again = host.command(&["backup", file]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
}

#[test]
fn a_backup_that_breaks_off_leaves_no_file() {
    // The answer promises more than it holds.
    let host = Host::start_raw(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nhalf".to_vec());
    let file = host.directory.path().join("store.dump");
    let output = host.command(&["backup", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("broke off"), "{}", stderr(&output));
    let left: Vec<_> = fs::read_dir(host.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["operator-token"]);
}

#[test]
fn an_export_goes_to_stdout_or_into_a_file() {
    let host = Host::start(|_| (200, b"{\"sku\":\"lamp\"}\n".to_vec()));
    assert_eq!(stdout(&host.command(&["export", "products"])), "{\"sku\":\"lamp\"}\n");
    let file = host.directory.path().join("products.jsonl");
    let file = file.to_str().unwrap();
    host.command(&["export", "products", file]);
    assert_eq!(
        host.command(&["export", "products", file]).status.code(),
        Some(1),
        "nothing is overwritten"
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "{\"sku\":\"lamp\"}\n");
}

/// What a command asked.
#[derive(Clone, Debug, Default)]
struct Request {
    line: String,
    token: String,
    body: Vec<u8>,
}

/// What plays a running host.
struct Host {
    directory: TempDir,
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Host {
    fn start(answer: impl Fn(&Request) -> (u16, Vec<u8>) + Send + 'static) -> Self {
        Self::start_raw(move |request| {
            let (status, body) = answer(request);
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            [head.into_bytes(), body].concat()
        })
    }

    fn start_raw(answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let request = read_request(&mut BufReader::new(&connection));
                let bytes = answer(&request);
                seen.lock().unwrap().push(request);
                // A client that has seen enough may be gone.
                let _ = connection.write_all(&bytes);
            }
        });
        let directory = scratch();
        fs::write(directory.path().join("operator-token"), "secret\n").unwrap();
        Self {
            directory,
            address,
            requests,
        }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.directory.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn prepare(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.directory.path());
        command
            .args(arguments)
            .args(["--to", &format!("http://{}", self.address), "--data"]);
        command.arg(self.directory.path());
        command
    }

    fn command(&self, arguments: &[&str]) -> Output {
        self.prepare(arguments).output().unwrap()
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(input: &mut impl std::io::BufRead) -> Request {
    let mut request = Request::default();
    input.read_line(&mut request.line).unwrap();
    request.line = request.line.trim().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        input.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.token = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    request.body.resize(length, 0);
    input.read_exact(&mut request.body).unwrap();
    request
}
