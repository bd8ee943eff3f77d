//! Bad input files and what is said about them: each `.toml` in `manifest/` and `config/` has an `.err` with the whole text.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portcullis --test golden` writes them anew; read the difference before committing it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portcullis::config::Config;
use portcullis::manifest::Manifest;

#[test]
fn each_bad_manifest_gets_its_complaint() {
    check("manifest", |folder, name, text| {
        let schema = |path: &str| {
            fs::read_to_string(folder.join(path)).map_err(|error| format!("cannot read `{path}`: {error}"))
        };
        Manifest::parse(name, text, &schema)
            .err()
            .map(|complaints| complaints.to_string())
    });
}

#[test]
fn each_bad_configuration_gets_its_complaint() {
    check("config", |_, name, text| {
        Config::parse(name, text).err().map(|complaints| complaints.to_string())
    });
}

/// Compares what `complain` says about each file of the folder with what is written beside it.
fn check(folder: &str, complain: impl Fn(&Path, &str, &str) -> Option<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let inputs = files(&folder, "toml");
    assert!(!inputs.is_empty(), "no pairs in {}", folder.display());
    let mut wrong = Vec::new();
    for input in &inputs {
        let name = input
            .file_name()
            .and_then(|name| name.to_str())
            .expect("names are UTF-8");
        let text = fs::read_to_string(input).expect("the file is there");
        let Some(said) = complain(&folder, name, &text) else {
            wrong.push(format!("{name} is accepted"));
            continue;
        };
        let said = format!("{said}\n");
        let golden = input.with_extension("err");
        if update {
            fs::write(&golden, &said).expect("the folder takes files");
        }
        match fs::read_to_string(&golden) {
            Ok(expected) if expected == said => {}
            Ok(expected) => wrong.push(format!("{name}\n--- expected\n{expected}--- said\n{said}")),
            Err(_) => wrong.push(format!("{name} has no .err; it should hold\n{said}")),
        }
    }
    let stems = |files: &[PathBuf]| {
        files
            .iter()
            .map(|file| file.with_extension(""))
            .collect::<BTreeSet<_>>()
    };
    for lonely in stems(&files(&folder, "err")).difference(&stems(&inputs)) {
        wrong.push(format!("{}.err has no .toml", lonely.display()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}
