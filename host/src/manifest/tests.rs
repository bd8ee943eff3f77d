//! What good manifests mean, and how they are found on disk; the bad ones are golden pairs in `tests/manifest`.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::schema::FieldShape;
use super::*;

const CATALOG: &str = r#"
    [plugin]
    name = "catalog"
    version = "0.1.0"
    instances = { reuse = 1000 }

    [[resource]]
    name = "products"
    schema = "schemas/product.json"
    indexes = [["category", "-price_cents"], ["tags"]]
    unique = [["sku"]]
    access = { list = "anyone", read = "anyone", create = "operator", update = "operator" }

    [wants]
    collections = { orders = ["read"], stock = { actions = ["update"], as = "system" } }
    egress = ["https://api.example.com/v1/"]
    secrets = ["api-key"]

    [limits]
    memory_mib = 16
"#;

fn product_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "sku": { "type": "string" },
            "category": { "$ref": "#/$defs/word" },
            "price_cents": { "type": ["integer", "null"] },
            "tags": { "type": "array", "items": { "type": "string" } },
            "maker": { "type": "object", "properties": { "name": { "type": "string" } } },
        },
        "$defs": { "word": { "type": "string" } },
    })
}

fn catalog() -> Manifest {
    Manifest::parse("plugin.toml", CATALOG, &|_| Ok(product_schema().to_string())).unwrap()
}

fn field(path: &str, descending: bool) -> IndexField {
    IndexField {
        path: path.to_owned(),
        descending,
    }
}

#[test]
fn a_manifest_means_what_it_says() {
    let manifest = catalog();
    assert_eq!(
        (manifest.name.as_str(), manifest.version.as_str()),
        ("catalog", "0.1.0")
    );
    assert_eq!(manifest.instances, Instances::Reuse(1000));
    let products = &manifest.resources[0];
    assert_eq!(*products.schema, product_schema());
    assert_eq!(
        products.indexes,
        [
            vec![field("category", false), field("price_cents", true)],
            vec![field("tags", false)]
        ]
    );
    assert_eq!(products.unique, [vec![field("sku", false)]]);
    assert_eq!(manifest.wants.egress, ["https://api.example.com/v1/"]);
    assert_eq!(manifest.wants.secrets, ["api-key"]);
    assert_eq!(
        manifest.limits,
        Limits {
            memory_mib: 16,
            ..Limits::default()
        }
    );
}

#[test]
fn an_action_without_an_access_word_is_for_nobody() {
    let access = &catalog().resources[0].access;
    assert_eq!(
        (&access.update, &access.delete),
        (&AccessWord::Operator, &AccessWord::Nobody)
    );
}

#[test]
fn a_list_for_owners_has_an_index_that_begins_with_the_owner() {
    let indexes = |indexes: &str, access: &str| {
        let text = format!(
            "[plugin]\nname = \"shop\"\nversion = \"0.1.0\"\n[[resource]]\nname = \"orders\"\nschema = \"s.json\"\n\
             indexes = {indexes}\naccess = {{ list = \"{access}\" }}"
        );
        let manifest = Manifest::parse("plugin.toml", &text, &|_| Ok(product_schema().to_string()));
        manifest.map(|manifest| manifest.resources[0].indexes.clone())
    };
    let (owner, sku) = (field("owner", false), field("sku", false));
    assert_eq!(
        indexes(r#"[["sku"]]"#, "owner").unwrap(),
        [vec![sku.clone()], vec![owner.clone()]]
    );
    assert_eq!(
        indexes(r#"[["owner", "sku"]]"#, "owner").unwrap(),
        [vec![owner, sku.clone()]]
    );
    assert_eq!(indexes(r#"[["sku"]]"#, "member").unwrap(), [vec![sku]]);
    let fields = [
        "sku",
        "category",
        "price_cents",
        "tags",
        "maker.name",
        "created_at",
        "updated_at",
    ];
    let mut full: Vec<String> = fields
        .iter()
        .flat_map(|field| [format!(r#"["{field}"]"#), format!(r#"["-{field}"]"#)])
        .chain([r#"["sku", "category"]"#.to_owned()])
        .collect();
    let list = |full: &[String]| format!("[{}]", full.join(", "));
    assert_eq!(indexes(&list(&full), "owner").unwrap().len(), MAX_INDEXES);
    full.push(r#"["category", "sku"]"#.to_owned());
    let refused = indexes(&list(&full), "owner").unwrap_err();
    assert!(refused.to_string().contains("there are too many"), "{refused}");
}

#[test]
fn wanting_to_read_includes_to_list() {
    let wanted = catalog().wants.collections;
    assert_eq!(wanted["orders"].actions, [Action::List, Action::Read].into());
    assert!(!wanted["orders"].as_system);
    assert_eq!(wanted["stock"].actions, [Action::Update].into());
    assert!(wanted["stock"].as_system);
}

#[test]
fn the_stored_form_gives_the_manifest_back() {
    let manifest = catalog();
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
}

#[test]
fn a_stored_form_of_another_version_is_refused() {
    let mut stored: Value = serde_json::from_slice(&catalog().encode()).unwrap();
    stored["colour"] = json!("red");
    assert!(Manifest::decode(stored.to_string().as_bytes()).is_err());
}

#[test]
fn a_folder_holds_the_manifest_and_its_schemas() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), CATALOG).unwrap();
    fs::create_dir(folder.path().join("schemas")).unwrap();
    fs::write(folder.path().join("schemas/product.json"), product_schema().to_string()).unwrap();
    assert_eq!(Manifest::load(folder.path()).unwrap(), catalog());
}

#[test]
fn a_folder_without_a_manifest_names_the_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = Manifest::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("plugin.toml"), "{error}");
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.json");
    fs::write(&secret, product_schema().to_string()).unwrap();
    let error = load_with_schema(|schema| std::os::unix::fs::symlink(&secret, schema).unwrap());
    assert!(error.contains("leads out of the plugin's folder"), "{error}");
}

#[test]
fn a_schema_may_not_be_large() {
    let error = load_with_schema(|schema| fs::write(schema, vec![b' '; 256 * 1024 + 1]).unwrap());
    assert!(error.contains("larger than 256 KiB"), "{error}");
}

/// The complaint about `CATALOG` with a bad `schemas/product.json`.
fn load_with_schema(write: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), CATALOG).unwrap();
    fs::create_dir(folder.path().join("schemas")).unwrap();
    write(&folder.path().join("schemas/product.json"));
    Manifest::load(folder.path()).unwrap_err().to_string()
}

#[test]
fn the_fields_of_a_schema_are_found_through_references_and_nesting() {
    let schema = product_schema();
    for (path, expected) in [
        ("sku", Some(FieldShape::Scalar)),
        ("category", Some(FieldShape::Scalar)),
        ("price_cents", Some(FieldShape::Scalar)),
        ("tags", Some(FieldShape::Array)),
        ("maker", Some(FieldShape::Object)),
        ("maker.name", Some(FieldShape::Scalar)),
        ("maker.age", None),
        ("sku.length", None),
        ("", None),
    ] {
        assert_eq!(schema::field(&schema, path), expected, "{path}");
    }
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let schema = json!({ "$ref": "#", "properties": { "next": { "$ref": "#" } }, "allOf": [{ "$ref": "#" }] });
    assert_eq!(schema::field(&schema, "next.next"), Some(FieldShape::Scalar));
    assert_eq!(schema::field(&schema, "other"), None);
}

#[test]
fn formats_are_asserted() {
    let validator = schema::compile(&json!({ "properties": { "homepage": { "format": "uri" } } })).unwrap();
    assert!(validator.is_valid(&json!({ "homepage": "https://example.com/" })));
    assert!(!validator.is_valid(&json!({ "homepage": "not a link" })));
}

#[test]
fn a_schema_may_not_refer_to_another_place() {
    for target in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
        assert!(schema::compile(&json!({ "$ref": target })).is_err(), "{target}");
    }
}

#[test]
fn names_hold_no_separator() {
    for name in ["a", "orders", "webhook-notify", "v2", &"n".repeat(63)] {
        assert!(is_plugin_name(name), "{name}");
    }
    for name in [
        "",
        "A",
        "2v",
        "-a",
        "a/b",
        "a.b",
        "..",
        "a\0",
        "é",
        "a b",
        &"n".repeat(64),
    ] {
        assert!(!is_plugin_name(name) && !is_resource_name(name), "{name}");
    }
    assert!(is_resource_name("line_items") && !is_plugin_name("line_items"));
}

#[test]
fn caps_lower_and_never_raise() {
    let asked = Limits {
        memory_mib: 64,
        queue: 1,
        ..Limits::default()
    };
    let caps = Limits {
        memory_mib: 32,
        queue: 100,
        ..Limits::hard_maxima()
    };
    let capped = asked.capped(&caps);
    assert_eq!((capped.memory_mib, capped.queue), (32, 1));
    assert_eq!(capped.host_calls, asked.host_calls);
}

#[test]
fn every_limit_is_known_by_its_name() {
    let mut limits = Limits::default();
    let fields = serde_json::to_value(&limits).unwrap();
    let fields: Vec<&String> = fields.as_object().unwrap().keys().collect();
    assert_eq!(fields, Limits::NAMES);
    for name in Limits::NAMES {
        let (default, bounds) = limits.entry(name).unwrap();
        assert!(bounds.contains(default), "{name}");
    }
}

proptest! {
    #[test]
    fn a_damaged_manifest_is_complained_about_at_a_place_that_exists(
        at in 0..CATALOG.len(),
        removed in 0usize..40,
        added in "[a-z\\[\\]{}=\"'#,.\n\té☃-]{0,6}",
    ) {
        let end = (at + removed).min(CATALOG.len());
        let text = format!("{}{added}{}", &CATALOG[..at], &CATALOG[end..]);
        let parsed = Manifest::parse("plugin.toml", &text, &|_| Ok(product_schema().to_string()));
        for complaint in parsed.as_ref().err().into_iter().flat_map(Diagnostics::iter) {
            let line = text.split('\n').nth(complaint.line - 1);
            prop_assert!(line.is_some_and(|line| complaint.column <= line.chars().count() + 1), "{complaint}");
        }
    }
}

#[test]
fn the_reference_has_every_limit_with_its_default_and_its_bounds() {
    let reference = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference.md")).unwrap();
    let mut limits = Limits::default();
    for name in Limits::NAMES {
        let (default, bounds) = limits.entry(name).unwrap();
        let row = format!("| `{name}` | {default} | {} to {} |", bounds.start(), bounds.end());
        assert!(reference.contains(&row), "{row}");
    }
}
