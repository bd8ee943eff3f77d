//! JSON Schemas of bodies: compiling them, and finding the fields that they declare.

use std::collections::{BTreeSet, HashSet};

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

use super::annotations;
use super::names::RESERVED_FIELDS;

/// The largest schema file.
pub const MAX_SCHEMA_BYTES: u64 = 256 * 1024;
/// Bytes of compiled code of one `pattern`.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// Patterns never backtrack, so that no body can make one run for long.
const PATTERN_RULES: &str = "a pattern has no look-around and no back-reference, and no large repetition";

/// What the schema says about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldShape {
    /// A string, number, boolean or null.
    Scalar,
    /// It may be an array.
    Array,
    /// It can only be an object, which can't be indexed.
    Object,
}

/// Compiles a schema. Formats are asserted, patterns run in linear time, references stay inside the schema.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
        .build(schema)
        .map_err(|error| {
            let pointer = error.instance_path().as_str().to_owned();
            match pointer.rsplit('/').next() {
                Some("pattern" | "patternProperties") => format!("at `{pointer}`: {error}; {PATTERN_RULES}"),
                Some("") | None => error.to_string(),
                Some(_) => format!("at `{pointer}`: {error}"),
            }
        })
}

/// Checks what a schema of bodies must hold beyond being a schema.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    if let Some(dialect) = schema.get("$schema").and_then(Value::as_str)
        && dialect.trim_end_matches('#') != "https://json-schema.org/draft/2020-12/schema"
    {
        return Err(format!(
            "it is written in `{dialect}`; write `https://json-schema.org/draft/2020-12/schema`"
        ));
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("a body is an object; write `\"type\": \"object\"` at the top".to_owned());
    }
    if let Some(target) = foreign_reference(schema) {
        return Err(format!(
            "it refers to `{target}`; copy that under `$defs` and write `#/$defs/NAME`"
        ));
    }
    compile(schema)?;
    annotations::check(schema)?;
    let reserved = RESERVED_FIELDS
        .iter()
        .find(|name| !subschemas(schema, &[schema], name).is_empty());
    match reserved {
        Some(name) => Err(format!(
            "the property `{name}` is reserved for the host; give it another name"
        )),
        None => Ok(()),
    }
}

/// A reference that leads out of the schema.
fn foreign_reference(place: &Value) -> Option<&str> {
    match place {
        Value::Object(object) => {
            let own = object.get("$ref").or_else(|| object.get("$dynamicRef"));
            own.and_then(Value::as_str)
                .filter(|target| !target.starts_with('#'))
                .or_else(|| object.values().find_map(foreign_reference))
        }
        Value::Array(parts) => parts.iter().find_map(foreign_reference),
        _ => None,
    }
}

/// What a schema says about a dotted path; nothing where it declares no such field.
pub fn field(schema: &Value, path: &str) -> Option<FieldShape> {
    let mut places = vec![schema];
    for name in path.split('.') {
        places = subschemas(schema, &places, name);
    }
    if places.is_empty() {
        return None;
    }
    let types: Vec<&str> = spread(schema, &places).into_iter().flat_map(types).collect();
    Some(if types.contains(&"array") {
        FieldShape::Array
    } else if !types.is_empty() && types.iter().all(|name| *name == "object") {
        FieldShape::Object
    } else {
        FieldShape::Scalar
    })
}

/// The fields at the top of a body, each with the types that the schema names for it and, of an array, for its elements.
pub fn top_fields(schema: &Value) -> Vec<(String, Vec<String>, Vec<String>)> {
    let declared = spread(schema, &[schema]);
    let declared = declared
        .iter()
        .filter_map(|object| object.get("properties")?.as_object());
    let names: BTreeSet<&String> = declared.flat_map(Map::keys).collect();
    let types_of = |places: &[&Value]| {
        let types: BTreeSet<&str> = spread(schema, places).into_iter().flat_map(types).collect();
        types.into_iter().map(str::to_owned).collect()
    };
    let field = |name: &String| {
        let places = subschemas(schema, &[schema], name);
        let spread = spread(schema, &places);
        let items: Vec<&Value> = spread.iter().filter_map(|object| object.get("items")).collect();
        (name.clone(), types_of(&places), types_of(&items))
    };
    names.into_iter().map(field).collect()
}

/// The subschemas of the property `name` of these places.
pub(super) fn subschemas<'a>(root: &'a Value, places: &[&'a Value], name: &str) -> Vec<&'a Value> {
    spread(root, places)
        .into_iter()
        .filter_map(|object| object.get("properties")?.get(name))
        .collect()
}

/// The types that a schema names itself.
fn types(object: &Map<String, Value>) -> Vec<&str> {
    match object.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// These places with all that they refer to or combine, each once: references may form a circle.
pub(super) fn spread<'a>(root: &'a Value, places: &[&'a Value]) -> Vec<&'a Map<String, Value>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting = places.to_vec();
    while let Some(place) = waiting.pop() {
        let Some(object) = place.as_object() else {
            continue;
        };
        if !seen.insert(std::ptr::from_ref(place)) {
            continue;
        }
        let reference = object.get("$ref").and_then(Value::as_str);
        waiting.extend(reference.and_then(|uri| root.pointer(uri.strip_prefix('#')?)));
        for combination in ["allOf", "anyOf", "oneOf"] {
            waiting.extend(object.get(combination).and_then(Value::as_array).into_iter().flatten());
        }
        found.push(object);
    }
    found
}
