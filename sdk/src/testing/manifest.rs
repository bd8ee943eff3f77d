//! What a test needs of a `plugin.toml`; the real host checks the rest of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::collection::{Access, Collection};

/// The parts of a manifest that decide what a call may do.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    resource: Vec<Resource>,
    #[serde(default)]
    wants: Wants,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    schema: String,
    #[serde(default)]
    unique: Vec<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Wants {
    #[serde(default)]
    collections: BTreeMap<String, Wish>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wish {
    Actions(Vec<String>),
    Table { actions: Vec<String> },
}

/// The collections of a plugin's resources, and what it wants of those of others.
pub(super) struct Declared {
    pub(super) collections: BTreeMap<String, Collection>,
    pub(super) wants: BTreeMap<String, Access>,
}

/// Reads `plugin.toml` and the schemas in a plugin's folder. What is wrong with them fails the test.
pub(super) fn read(folder: &Path) -> Declared {
    let path = folder.join("plugin.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: Manifest = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let collections = manifest.resource.into_iter().map(|resource| {
        let validator = validator(&folder.join(&resource.schema));
        (resource.name, Collection::declared(validator, resource.unique))
    });
    let wants = manifest.wants.collections.into_iter().map(|(name, wish)| {
        let (Wish::Actions(actions) | Wish::Table { actions }) = wish;
        let has = |action: &str| actions.iter().any(|one| one == action);
        let access = Access {
            read: has("read"),
            create: has("create"),
            update: has("update"),
            delete: has("delete"),
        };
        (name, access)
    });
    Declared {
        collections: collections.collect(),
        wants: wants.collect(),
    }
}

/// The schema in a file, compiled.
fn validator(path: &Path) -> jsonschema::Validator {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
