//! Bad input files and what is said about them: each `.toml` in `manifest/` and `config/`, and each `.cedar` in `policies/`,
//! has an `.err` with the whole text.
//!
//! `UPDATE_GOLDEN=1 cargo test -p portcullis --test golden` writes them anew; read the difference before committing it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::config::{Config, PolicyFile};
use portcullis::manifest::{Access, AccessWord, Manifest, Resource};
use portcullis::policy::cedar::Policies;
use serde_json::json;

#[test]
fn each_bad_manifest_gets_its_complaint() {
    check("manifest", "toml", |folder, name, text| {
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
    check("config", "toml", |_, name, text| {
        Config::parse(name, text).err().map(|complaints| complaints.to_string())
    });
}

#[test]
fn each_bad_policy_gets_its_complaint() {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "price_cents": {"type": "integer"}, "weight": {"type": "number"},
    }});
    let products = Resource {
        name: "products".to_owned(),
        schema: Arc::new(schema),
        indexes: Vec::new(),
        unique: Vec::new(),
        access: Access::all(AccessWord::Owner),
        on_erase: Default::default(),
    };
    check("policies", "cedar", |_, name, text| {
        let file = PolicyFile {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let loaded = Policies::load(&[file], std::iter::once(&products));
        loaded.err().map(|complaints| complaints.to_string())
    });
}

/// Compares what `complain` says about each file of the folder with what is written beside it.
fn check(folder: &str, extension: &str, complain: impl Fn(&Path, &str, &str) -> Option<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let inputs = files(&folder, extension);
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
        wrong.push(format!("{}.err has no .{extension}", lonely.display()));
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
