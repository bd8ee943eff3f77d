//! The JSON Schema of a collection: compiled once, and asked which fields there are.
//!
//! What bounds it: no reference leaves the schema; patterns run on the `regex` crate, whose time is linear in the text
//! (no look-around, no back-references), and compile to at most 1 MiB; a body holds at most 1 MiB; at most 64 violations
//! are reported.

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::definition::MayHold;
use crate::capabilities::model::Violation;
use crate::manifest::Annotations;

/// The most violations that one answer names.
pub const MAX_VIOLATIONS: usize = 64;
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// How many references, and how many alternatives, are followed to learn what a field is.
const MAX_STEPS: usize = 64;
/// How deep alternatives of alternatives are followed to learn whether all of them exclude a type.
const MAX_ALTERNATIVES_DEPTH: usize = 3;

/// What the schema says of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An array of these.
    Array(Box<FieldKind>),
    /// An object; its own fields are addressed with a dot.
    Object,
    /// The schema leaves it open.
    Any,
}

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    text: Arc<Value>,
    validator: Validator,
    annotations: Annotations,
}

impl Schema {
    /// Compiles; the error is a sentence for the plugin's author.
    pub fn compile(text: Arc<Value>) -> Result<Self, String> {
        let compiled = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(
                PatternOptions::regex()
                    .size_limit(MAX_PATTERN_BYTES)
                    .dfa_size_limit(MAX_PATTERN_BYTES),
            )
            .should_validate_formats(true)
            .build(&text);
        match compiled {
            Ok(validator) => Ok(Self {
                annotations: Annotations::of(&text),
                text,
                validator,
            }),
            Err(error) => Err(format!(
                "{error} (at {:?} of the schema)",
                error.instance_path().as_str()
            )),
        }
    }

    /// The schema as it was declared.
    pub fn text(&self) -> &Arc<Value> {
        &self.text
    }

    /// The fields that no client sees, and those that no client sets.
    pub fn annotations(&self) -> &Annotations {
        &self.annotations
    }

    /// What a body breaks; empty for a good one. Values are left out of the messages: they may be long, or private.
    pub fn violations(&self, body: &Value) -> Vec<Violation> {
        let broken = self.validator.iter_errors(body).take(MAX_VIOLATIONS);
        broken
            .map(|error| Violation {
                pointer: error.instance_path().as_str().to_owned(),
                message: error.masked().to_string(),
            })
            .collect()
    }

    /// What a field of the body is, dotted for nested objects; `None` where the schema knows no such field.
    pub fn field(&self, path: &str) -> Option<FieldKind> {
        let mut level = self.parts(&[&self.text]);
        for (depth, name) in path.split('.').enumerate() {
            if depth > 0 && !self.may_be_object(&level) {
                return None;
            }
            let described: Vec<&Value> = level
                .iter()
                .filter_map(|part| part.get("properties")?.get(name))
                .collect();
            if described.is_empty() {
                let closed = |part: &&Value| {
                    part.get("properties").is_some() || part.get("additionalProperties") == Some(&Value::Bool(false))
                };
                return (!level.iter().any(closed)).then_some(FieldKind::Any);
            }
            level = self.parts(&described);
        }
        Some(self.kind(&level))
    }

    /// What a document may hold in that field. Unlike `field`, it is certain where it says no: what only one alternative
    /// says of the field does not bind documents that follow another one.
    pub fn may_hold(&self, path: &str) -> MayHold {
        let mut level = self.followed(&[&self.text], &["allOf"]);
        // The body itself is always an object.
        let (mut is_object, mut is_required) = (true, true);
        for name in path.split('.') {
            let requires = |part: &&Value| {
                let names = part.get("required").and_then(Value::as_array);
                names.is_some_and(|names| names.iter().any(|required| required == name))
            };
            is_required &= is_object && level.iter().any(requires);
            let described: Vec<&Value> = level
                .iter()
                .filter_map(|part| part.get("properties")?.get(name))
                .collect();
            level = self.followed(&described, &["allOf"]);
            is_object = level.iter().any(|part| part.get("type") == Some(&"object".into()));
        }
        MayHold {
            array: !self.exclude(&level, "array"),
            null: !is_required || !self.exclude(&level, "null"),
        }
    }

    fn may_be_object(&self, parts: &[&Value]) -> bool {
        let kinds: Vec<FieldKind> = parts.iter().flat_map(|part| self.kinds_of_part(part)).collect();
        kinds.is_empty()
            || kinds
                .iter()
                .any(|kind| matches!(kind, FieldKind::Object | FieldKind::Any))
    }

    fn exclude(&self, parts: &[&Value], kind: &str) -> bool {
        parts
            .iter()
            .any(|part| self.excludes(part, kind, MAX_ALTERNATIVES_DEPTH))
    }

    fn excludes(&self, part: &Value, kind: &str, depth: usize) -> bool {
        let by_type = match part.get("type") {
            Some(Value::String(name)) => name != kind,
            Some(Value::Array(names)) => !names.iter().any(|name| name == kind),
            _ => false,
        };
        let excluded = |alternative: &Value| {
            let parts = self.followed(&[alternative], &["allOf"]);
            parts.iter().any(|part| self.excludes(part, kind, depth - 1))
        };
        let mut lists = ["anyOf", "oneOf"].iter().filter_map(|word| part.get(word)?.as_array());
        by_type || (depth > 0 && lists.any(|list| list.iter().all(excluded)))
    }

    /// The schemas themselves and all that they refer to or are put together from.
    fn parts<'a>(&'a self, schemas: &[&'a Value]) -> Vec<&'a Value> {
        self.followed(schemas, &["allOf", "anyOf", "oneOf"])
    }

    /// The schemas themselves, all that they refer to and what stands under these words.
    fn followed<'a>(&'a self, schemas: &[&'a Value], words: &[&str]) -> Vec<&'a Value> {
        let mut parts: Vec<&Value> = schemas.to_vec();
        let mut next = 0;
        while let Some(part) = parts.get(next).copied() {
            next += 1;
            let reference = part
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|target| target.strip_prefix('#'));
            let combined = words.iter().filter_map(|word| part.get(word)?.as_array()).flatten();
            for found in reference
                .and_then(|pointer| self.text.pointer(pointer))
                .into_iter()
                .chain(combined)
            {
                if parts.len() < MAX_STEPS {
                    parts.push(found);
                }
            }
        }
        parts
    }

    fn kind(&self, parts: &[&Value]) -> FieldKind {
        let mut kinds: Vec<FieldKind> = parts.iter().flat_map(|part| self.kinds_of_part(part)).collect();
        if kinds.contains(&FieldKind::Number) {
            kinds.retain(|kind| *kind != FieldKind::Integer);
        }
        kinds.dedup();
        match kinds.len() {
            1 => kinds.remove(0),
            _ => FieldKind::Any,
        }
    }

    fn kinds_of_part(&self, part: &Value) -> Vec<FieldKind> {
        let types: Vec<&str> = match part.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            // What refers to others is what they are.
            _ if ["$ref", "allOf", "anyOf", "oneOf"]
                .iter()
                .any(|word| part.get(word).is_some()) =>
            {
                return Vec::new();
            }
            _ => return vec![FieldKind::Any],
        };
        let kind_of = |name: &str| match name {
            "string" => FieldKind::Text,
            "integer" => FieldKind::Integer,
            "number" => FieldKind::Number,
            "boolean" => FieldKind::Boolean,
            "object" => FieldKind::Object,
            "array" => {
                let items = part
                    .get("items")
                    .map_or(FieldKind::Any, |items| self.kind(&self.parts(&[items])));
                FieldKind::Array(Box::new(items))
            }
            _ => FieldKind::Any,
        };
        types.into_iter().filter(|name| *name != "null").map(kind_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(text: Value) -> Schema {
        Schema::compile(Arc::new(text)).unwrap()
    }

    #[test]
    fn fields_are_found_through_objects_references_and_combinations() {
        let schema = schema(json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"}, "price": {"type": ["integer", "null"]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "maker": {"$ref": "#/$defs/maker"}, "free": {"type": "object"}, "open": {},
                "size": {"anyOf": [{"type": "integer"}, {"type": "number"}]},
            },
            "$defs": {"maker": {"type": "object", "properties": {"name": {"type": "string"}}}}
        }));
        let kind = |path| schema.field(path);
        assert_eq!(kind("name"), Some(FieldKind::Text));
        assert_eq!(kind("price"), Some(FieldKind::Integer));
        assert_eq!(kind("size"), Some(FieldKind::Number));
        assert_eq!(kind("tags"), Some(FieldKind::Array(Box::new(FieldKind::Text))));
        assert_eq!(kind("maker.name"), Some(FieldKind::Text));
        assert_eq!(
            (kind("maker"), kind("free")),
            (Some(FieldKind::Object), Some(FieldKind::Object))
        );
        assert_eq!(
            (kind("open"), kind("free.any")),
            (Some(FieldKind::Any), Some(FieldKind::Any))
        );
        assert_eq!((kind("colour"), kind("maker.colour")), (None, None));
        // Nothing is in what is no object.
        assert_eq!((kind("name.x"), kind("tags.x"), kind("price.x.y")), (None, None, None));
    }

    #[test]
    fn a_field_may_be_an_array_unless_the_schema_binds_every_document() {
        let schema = schema(json!({
            "properties": {
                "name": {"type": ["string", "null"]}, "open": {}, "list": {"type": ["array", "null"]},
                "size": {"anyOf": [{"$ref": "#/$defs/size"}, {"type": "null"}]},
                "mixed": {"oneOf": [{"type": "string"}, {"type": "array"}]},
            },
            "allOf": [{"properties": {"also": {"type": "integer"}}}],
            "anyOf": [{"properties": {"perhaps": {"type": "string"}}}, {"properties": {"other": {"type": "string"}}}],
            "$defs": {"size": {"allOf": [{"type": "integer"}]}}
        }));
        for path in ["name", "size", "also"] {
            assert!(!schema.may_hold(path).array, "{path}");
        }
        for path in ["open", "list", "mixed", "perhaps", "unknown", "open.inner"] {
            assert!(schema.may_hold(path).array, "{path}");
        }
    }

    #[test]
    fn a_field_may_be_null_unless_the_schema_requires_it_of_every_document() {
        let schema = schema(json!({
            "required": ["sku", "price", "maker", "loose", "open"],
            "properties": {
                "sku": {"type": "string"}, "price": {"type": ["integer", "null"]}, "name": {"type": "string"}, "open": {},
                "maker": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string"}, "city": {"type": "string"}}},
                "loose": {"required": ["name"], "properties": {"name": {"type": "string"}}},
                "other": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            },
            "anyOf": [{"required": ["name"]}, {"required": ["price"]}],
        }));
        for path in ["sku", "maker.name"] {
            assert!(!schema.may_hold(path).null, "{path}");
        }
        // `loose` may be a string, `other` may be missing, and with them what is in them.
        for path in [
            "price",
            "name",
            "open",
            "unknown",
            "maker.city",
            "loose.name",
            "other.name",
        ] {
            assert!(schema.may_hold(path).null, "{path}");
        }
    }

    #[test]
    fn a_reference_to_itself_ends() {
        let schema = schema(
            json!({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "string"}]}}}),
        );
        assert_eq!(schema.field("a"), Some(FieldKind::Text));
        assert!(schema.may_hold("a").array);
    }

    #[test]
    fn violations_point_to_the_place_and_are_capped() {
        let schema = schema(json!({"properties": {"a/b": {"type": "array", "items": {"type": "integer"}}}}));
        let found = schema.violations(&json!({"a/b": [1, "secret"]}));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pointer, "/a~1b/1");
        assert!(!found[0].message.contains("secret"), "{}", found[0].message);
        assert_eq!(
            schema.violations(&json!({"a/b": vec!["x"; 1_000]})).len(),
            MAX_VIOLATIONS
        );
    }

    #[test]
    fn remote_references_and_backtracking_patterns_are_refused() {
        for text in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"properties": {"a": {"pattern": "(a)\\1"}}}),
            json!({"properties": {"a": {"pattern": "(?=a)b"}}}),
            json!({"properties": {"a": {"pattern": "(((a{100}){100}){100}){100}"}}}),
            json!({"type": "strin"}),
        ] {
            assert!(Schema::compile(Arc::new(text.clone())).is_err(), "{text}");
        }
    }
}
