//! The invariants of the source tree that no compiler holds: who may use what, and how a file looks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portcullis_tests::repository;

/// The layers by rank: each uses only layers of a lower one.
const RANKS: &[(usize, &[&str])] = &[
    (8, &["cli"]),
    (7, &["app"]),
    (6, &["http", "workers"]),
    (5, &["dispatch", "accounts"]),
    (4, &["sandbox"]),
    (3, &["capabilities"]),
    (2, &["policy", "storage"]),
    (1, &["manifest"]),
];

/// What any layer may use; themselves, these use only `manifest` and each other.
const ANYWHERE: &[&str] = &["config", "telemetry"];

/// What only one place of the host may name, so that it can be replaced there.
const OWNED: &[(&str, &str)] = &[
    ("hyper_util::server", "http/"),
    ("wasmtime::", "sandbox/"),
    ("wasmtime_wasi::", "sandbox/"),
    ("bindgen!", "sandbox/bindings.rs"),
    ("sled::", "storage/"),
    ("argon2::", "accounts/"),
    ("webauthn_rs::", "accounts/passkeys/"),
    ("lettre::", "workers/mail/"),
    ("openidconnect::", "http/oidc/"),
    ("instant_acme::", "http/acme/"),
    ("quick_xml::", "http/"),
    ("cedar_policy::", "policy/cedar/"),
    // A key is `Bytes`: these are the ways to make one. `keyspace` forms them; the rest of the store only copies them.
    ("Key::from", "storage/"),
    ("Key::copy_from_slice", "storage/"),
];

/// Where code that the compiler can't check is allowed: loading what this host has compiled, and the generated bindings.
const UNSAFE: &[&str] = &[
    "host/src/sandbox/",
    // A function of the C library that sled calls, replaced by one that does more.
    "host/src/storage/durable.rs",
    "sdk/src/bindings",
    // Three functions of libc, with C's signatures.
    "sdk/src/stdio.rs",
    // Bindings that a macro generates, as the interface is wrong on purpose.
    "tests/fixtures/missing-import/",
    "tests/fixtures/wrong-version/",
];

/// Whose names of tests and files are checked.
const DOCUMENTATION: &[&str] = &["README.md", "docs/architecture.md", "docs/security.md"];

/// Where the files are that the documentation names.
const FOLDERS: &[&str] = &["host", "sdk", "plugins", "wit", "tests", "bench", "docs"];

/// Longer files are split.
const MAX_LINES: usize = 400;

#[test]
fn each_layer_uses_only_lower_layers() {
    let mut broken = Vec::new();
    for file in sources("host/src") {
        let Some(layer) = layer_of(&file) else { continue };
        for used in crate_paths(&file.code) {
            if !may_use(&layer, &used) {
                broken.push(format!("{}: `{layer}` may not use `{used}`", file.name));
            }
        }
        for line in file.code.lines().filter(|line| escapes(line, &file)) {
            broken.push(format!(
                "{}: write `crate::`, so that the layer is named: {line}",
                file.name
            ));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_has_an_owner_is_named_only_there() {
    let mut broken = Vec::new();
    for file in sources("host/src") {
        let inside = file.name.trim_start_matches("host/src/");
        for (name, owner) in OWNED {
            if !inside.starts_with(owner) && !is_test(&file.name) && names(&file.code, name) {
                broken.push(format!("{}: `{name}` belongs into {owner}", file.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn unchecked_code_is_allowed_only_where_there_is_a_reason() {
    let mut broken = Vec::new();
    for file in everything()
        .into_iter()
        .filter(|file| file.name != "tests/tests/tidy.rs")
    {
        let allows = file.code.contains("allow(unsafe_code") || file.code.contains("expect(unsafe_code");
        if allows && !UNSAFE.iter().any(|place| file.name.starts_with(place)) {
            broken.push(file.name);
        }
    }
    assert!(broken.is_empty(), "unsafe code in {}", broken.join(", "));
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent = everything().into_iter().filter(|file| !file.text.starts_with("//! "));
    let silent: Vec<_> = silent.map(|file| file.name).collect();
    assert!(
        silent.is_empty(),
        "no `//!` sentence at the top of {}",
        silent.join(", ")
    );
}

#[test]
fn every_file_is_what_it_looks_like() {
    // Among them those that make a line read otherwise than it is compiled (CVE-2021-42574).
    let is_hidden = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut hidden = Vec::new();
    for file in everything() {
        let lines = file.text.lines().zip(1..).filter(|(line, _)| line.contains(is_hidden));
        hidden.extend(lines.map(|(_, number)| format!("{}:{number}", file.name)));
    }
    assert!(
        hidden.is_empty(),
        "characters that are not to be seen: {}",
        hidden.join(", ")
    );
}

#[test]
fn no_file_is_longer_than_a_reader_likes() {
    let mut long = Vec::new();
    for file in everything() {
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            long.push(format!("{}: {lines} lines, split it at {MAX_LINES}", file.name));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn what_the_documentation_names_exists() {
    let code: String = everything().into_iter().map(|file| file.code + "\n").collect();
    let mut broken = Vec::new();
    for name in DOCUMENTATION {
        let text = fs::read_to_string(repository().join(name)).expect("the documentation is there");
        for word in code_words(&text) {
            let is_there = match word.split_once('/') {
                Some((top, _)) if FOLDERS.contains(&top) => {
                    word.contains("NAME") || word.starts_with("plugins/rooms/") || repository().join(word).exists()
                }
                None if is_test_name(word) => code.contains(&format!("fn {word}(")),
                _ => true,
            };
            if !is_there {
                broken.push(format!("{name}: there is no `{word}`"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_scanner_finds_every_way_to_name_a_layer() {
    let code = "use crate::{http::{Router, handle}, policy};\nfn f(x: crate::storage::Key) {}\nuse my_crate::not;";
    let found: Vec<_> = crate_paths(code).into_iter().collect();
    assert_eq!(found, ["http", "policy", "storage"]);
    assert!(names("use axum::Router;", "axum::") && !names("use my_axum::Router;", "axum::"));
    assert!(may_use("http", "dispatch") && !may_use("dispatch", "http") && !may_use("policy", "storage"));
    assert!(may_use("config", "manifest") && !may_use("config", "storage") && may_use("storage", "config"));
}

/// A source file: its path from the root of the repository, its text, and its text without comments.
struct Source {
    name: String,
    text: String,
    code: String,
}

/// Every file that people write.
fn everything() -> Vec<Source> {
    let written = ["host", "sdk", "tests", "bench", "plugins"]
        .into_iter()
        .flat_map(sources);
    written
        .filter(|file| !file.name.starts_with("sdk/src/bindings/"))
        .collect()
}

fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    walk(&repository().join(folder), &mut files);
    files.sort();
    files.into_iter().map(|path| read(&path)).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source file is UTF-8");
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let name = path.strip_prefix(repository()).expect("sources are in the repository");
    Source {
        name: name.to_string_lossy().into_owned(),
        text,
        code,
    }
}

/// The layer that a file of the host belongs to; none for `lib.rs` and `main.rs`, which name all of them.
fn layer_of(file: &Source) -> Option<String> {
    let inside = file.name.strip_prefix("host/src/")?;
    let first = inside.split('/').next()?.trim_end_matches(".rs");
    (!["lib", "main"].contains(&first)).then(|| first.to_owned())
}

fn may_use(layer: &str, used: &str) -> bool {
    let rank = |name: &str| {
        RANKS
            .iter()
            .find(|(_, layers)| layers.contains(&name))
            .map(|(rank, _)| *rank)
    };
    if layer == used || ANYWHERE.contains(&used) {
        return true;
    }
    match (rank(layer), rank(used)) {
        (Some(own), Some(other)) => other < own,
        (None, Some(_)) => ANYWHERE.contains(&layer) && used == "manifest",
        (_, None) => false,
    }
}

/// The first segments behind `crate::`, groups in braces included.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

/// The first segments of the paths in a group, up to its closing brace.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(group[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> Option<String> {
    let name: String = path
        .chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// Whether a line climbs with `super::` out of the file's layer, where the check above would not see which one it uses.
fn escapes(line: &str, file: &Source) -> bool {
    let inside = file
        .name
        .trim_start_matches("host/src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    let depth = inside.split('/').count();
    // What is indented may be in a module inside the file.
    let inner = usize::from(line.starts_with(' '));
    line.contains(&"super::".repeat(depth + inner))
}

/// Whether the code has the name as a whole word.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

/// What stands between backquotes on one line.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|word| !word.contains(char::is_whitespace))
}

/// Whether it is a sentence in the form of a name, as those of tests are.
fn is_test_name(word: &str) -> bool {
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    word.chars().all(plain) && word.matches('_').count() > 2
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/")
}
