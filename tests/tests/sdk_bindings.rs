//! The SDK's bindings are generated from `wit/` and committed, so that a plugin author's build runs no generator.
//! This test regenerates them and compares; `PORTCULLIS_BLESS=1 cargo test --test sdk_bindings` writes them.

use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::{Resolve, WorldKey};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// Where the generated modules are, seen from any crate that expands an export macro.
const BINDINGS: &str = "portcullis_sdk::bindings";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The bindings of one world. The imports are generated once, in `imports.rs`; the worlds of the roles refer to them.
fn generate(world: &str, role: Option<&str>) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("wit/ parses");
    let id = resolve.select_world(&[package], Some(world)).expect("the world exists");

    let mut options = Opts {
        format: true,
        generate_all: true,
        generate_unused_types: true,
        runtime_path: Some(format!("{BINDINGS}::rt")),
        ..Opts::default()
    };
    if let Some(role) = role {
        options.with = imports_of(&resolve, id);
        options.pub_export_macro = true;
        options.export_macro_name = Some(format!("export_{role}_bindings"));
        options.default_bindings_module = Some(format!("{BINDINGS}::{role}"));
    }
    let mut files = Files::default();
    options
        .build()
        .generate(&mut resolve, id, &mut files)
        .expect("the bindings are generated");
    let mut all: Vec<_> = files
        .iter()
        .map(|(_, bytes)| String::from_utf8(bytes.to_vec()).expect("UTF-8"))
        .collect();
    assert_eq!(all.len(), 1, "one file for each world");
    all.remove(0)
}

/// Each interface that the world imports, and the module that has it already.
fn imports_of(resolve: &Resolve, world: wit_bindgen_core::wit_parser::WorldId) -> Vec<(String, WithOption)> {
    let mut with = Vec::new();
    for key in resolve.worlds[world].imports.keys() {
        let WorldKey::Interface(interface) = key else { continue };
        let name = resolve.id_of(*interface).expect("an interface of a package");
        let path = name
            .split('@')
            .next()
            .unwrap_or_default()
            .replace([':', '/'], "::")
            .replace('-', "_");
        with.push((name, WithOption::Path(format!("{BINDINGS}::imports::{path}"))));
    }
    with
}

#[test]
fn the_bindings_are_up_to_date() {
    let bless = std::env::var_os("PORTCULLIS_BLESS").is_some();
    for (file, world, role) in [
        ("imports.rs", "imports", None),
        ("crud.rs", "crud-plugin", Some("crud")),
        ("hooks.rs", "hooks-plugin", Some("hooks")),
    ] {
        let path = root().join("sdk/src/bindings").join(file);
        let fresh = generate(world, role);
        if bless {
            std::fs::write(&path, &fresh).expect("the file is written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == fresh,
            "{} is not what wit/ says; run PORTCULLIS_BLESS=1 cargo test -p portcullis-tests --test sdk_bindings",
            path.display()
        );
    }
}
