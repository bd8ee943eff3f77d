//! The command line: help, exit codes, and what is said about mistakes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed, helpers included"
)]

mod common;

use std::fs;
use std::process::Output;

use tempfile::TempDir;

use common::{command, scratch, stderr, stdout};

/// Every command that people see.
const COMMANDS: [&str; 10] = [
    "run", "dev", "import", "export", "check", "verify", "backup", "restore", "reload", "policy",
];

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let output = portcullis(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = stdout(&output);
    for word in COMMANDS
        .iter()
        .chain(&["Exit codes:", "PORTCULLIS_LOG", "PORTCULLIS_TOKEN"])
    {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    assert!(!help.contains("compile  "), "`compile` is for the host itself:\n{help}");
}

#[test]
fn each_command_has_help_of_its_own() {
    for command in COMMANDS {
        let output = portcullis(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(
            stdout(&output).contains(&format!("Usage: portcullis {command}")),
            "{command}"
        );
    }
}

#[test]
fn the_version_is_printed() {
    let output = portcullis(&["--version"]);
    assert_eq!(stdout(&output), format!("portcullis {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_line_that_makes_no_sense_is_exit_code_2() {
    for arguments in [
        &[][..],
        &["serve"],
        &["reload", "--colour"],
        &["import"],
        &["import", "products"],
        &["import", "Products!", "file.jsonl"],
        &["import", "../products", "file.jsonl"],
        &["import", "products", "file.jsonl", "--rename", "name"],
        &["reload", "-o", "yaml"],
        &["reload", "--to", "localhost:8081", "--data", DATA],
        &["reload", "--to", "https://example.com", "--data", DATA],
        &["reload", "--to", "http://localhost:8081/admin", "--data", DATA],
    ] {
        let data = data_directory();
        let arguments: Vec<&str> = arguments.iter().map(|word| data.fill(word)).collect();
        let output = portcullis(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_misspelt_command_gets_advice() {
    let said = stderr(&portcullis(&["improt", "products", "x.jsonl"]));
    assert!(said.contains("import"), "{said}");
}

#[test]
fn a_bad_configuration_is_shown_with_its_place() {
    let folder = scratch();
    let file = folder.path().join("portcullis.toml");
    fs::write(&file, "[server]\nlsten = \"127.0.0.1:80\"\n").unwrap();
    let output = portcullis(&["reload", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.starts_with("error: unknown key `lsten`\n"), "{said}");
    assert!(
        said.contains("portcullis.toml:2:1") && said.contains("did you mean `listen`?"),
        "{said}"
    );
}

#[test]
fn without_a_token_it_says_where_one_could_be() {
    let folder = scratch();
    let output = portcullis(&[
        "reload",
        "--to",
        "http://127.0.0.1:1",
        "--data",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("operator-token") && said.contains("PORTCULLIS_TOKEN"),
        "{said}"
    );
}

#[test]
fn a_host_that_does_not_answer_is_named() {
    // Nobody listens on port 1 of the loopback.
    let address = "127.0.0.1:1";
    let data = data_directory();
    let output = portcullis(&["reload", "--to", &format!("http://{address}"), "--data", data.path()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(address) && said.contains("is the host running?"),
        "{said}"
    );
}

#[test]
fn a_directory_that_is_not_there_is_named_and_not_made() {
    let folder = scratch();
    let missing = folder.path().join("missing");
    let path = missing.to_str().unwrap();
    for (arguments, code) in [(["verify", "--data", path], 1), (["run", "--plugins", path], 2)] {
        let output = portcullis(&arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains("there is no") && said.contains(path), "{said}");
        assert!(!missing.exists(), "{arguments:?}");
    }
}

/// Stands for a data directory in a list of arguments.
const DATA: &str = "DATA";

/// A data directory with a token.
struct Data(TempDir);

impl Data {
    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn fill<'a>(&'a self, word: &'a str) -> &'a str {
        if word == DATA { self.path() } else { word }
    }
}

fn data_directory() -> Data {
    let data = Data(scratch());
    fs::write(data.0.path().join("operator-token"), "secret\n").unwrap();
    data
}

fn portcullis(arguments: &[&str]) -> Output {
    command(scratch().path()).args(arguments).output().unwrap()
}
