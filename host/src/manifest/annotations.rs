//! The annotations `readOnly` and `writeOnly` of a schema of bodies, and the host's own `x-personal`: at which fields they
//! stand, and whether the host can enforce them there.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::schema::{spread, subschemas};

/// How deep fields may be nested that are annotated.
const MAX_DEPTH: usize = 8;
/// How many fields of a schema are looked at.
const MAX_FIELDS: usize = 4_096;
const READ_ONLY: &str = "readOnly";
const WRITE_ONLY: &str = "writeOnly";
/// What tells of the owner, and goes when a document is made to belong to nobody.
const PERSONAL: &str = "x-personal";
const WORDS: [&str; 3] = [READ_ONLY, WRITE_ONLY, PERSONAL];

/// The names on the way to a field of a body.
pub type FieldPath = Vec<String>;

/// The annotated fields of a schema. What is in an annotated field is as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// What no client sets.
    pub read_only: Vec<FieldPath>,
    /// What no client sees.
    pub write_only: Vec<FieldPath>,
    /// What tells of the owner.
    pub personal: Vec<FieldPath>,
}

impl Annotations {
    /// Those of a schema.
    pub fn of(schema: &Value) -> Self {
        Walk::through(schema).found
    }
}

/// Why the host could not enforce the annotations of a schema.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let walk = Walk::through(schema);
    if walk.gave_up {
        return Err(format!(
            "`{READ_ONLY}`, `{WRITE_ONLY}` and `{PERSONAL}` are for fields at most {MAX_DEPTH} deep of a schema without endless recursion"
        ));
    }
    if let Some((word, place)) = walk.missed(schema, String::new()) {
        return Err(format!(
            "`{word}` at `{place}` can't be enforced; annotate a field of an object that is reached through `properties`"
        ));
    }
    let both = |path: &&FieldPath| walk.found.write_only.contains(path);
    if let Some(path) = walk.found.read_only.iter().find(both) {
        return Err(format!(
            "`{}` can't be both `{READ_ONLY}` and `{WRITE_ONLY}`",
            path.join(".")
        ));
    }
    if let Some(path) = walk.required_of_nobody {
        return Err(format!(
            "`{}` is required and `{READ_ONLY}`, so no client could make a document; do not require it",
            path.join(".")
        ));
    }
    match walk.required_for_ever {
        Some(path) => Err(format!(
            "`{}` is required and `{PERSONAL}`, so it could not go with its owner; do not require it",
            path.join(".")
        )),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Walk {
    found: Annotations,
    /// The schemas that were looked at, each a field or a part of one.
    seen: HashSet<*const Value>,
    fields: usize,
    gave_up: bool,
    required_of_nobody: Option<FieldPath>,
    required_for_ever: Option<FieldPath>,
}

impl Walk {
    fn through(schema: &Value) -> Self {
        let mut walk = Self::default();
        if annotated(schema) {
            walk.field(schema, &[schema], &mut Vec::new());
        }
        walk
    }

    fn field(&mut self, root: &Value, places: &[&Value], path: &mut FieldPath) {
        self.fields += 1;
        let parts = spread(root, places);
        let names: BTreeSet<&String> = parts
            .iter()
            .filter_map(|part| part.get("properties")?.as_object())
            .flat_map(serde_json::Map::keys)
            .collect();
        if path.len() == MAX_DEPTH && !names.is_empty() || self.fields > MAX_FIELDS {
            self.gave_up = true;
            return;
        }
        if !path.is_empty() {
            let says = |word: &str| parts.iter().any(|part| part.get(word) == Some(&Value::Bool(true)));
            if says(READ_ONLY) {
                self.found.read_only.push(path.clone());
            }
            if says(WRITE_ONLY) {
                self.found.write_only.push(path.clone());
            }
            if says(PERSONAL) {
                self.found.personal.push(path.clone());
            }
            self.seen.extend(parts.iter().flat_map(|part| {
                let marks = WORDS.into_iter();
                marks.filter_map(|word| part.get(word)).map(std::ptr::from_ref)
            }));
        }
        for name in names {
            path.push(name.clone());
            self.field(root, &subschemas(root, places, name), path);
            let required = |part: &&serde_json::Map<String, Value>| {
                let required = part.get("required").and_then(Value::as_array);
                required.is_some_and(|required| required.iter().any(|required| required == name))
            };
            if parts.iter().any(required) {
                if self.found.read_only.last() == Some(path) {
                    self.required_of_nobody.get_or_insert_with(|| path.clone());
                }
                if self.found.personal.last() == Some(path) {
                    self.required_for_ever.get_or_insert_with(|| path.clone());
                }
            }
            path.pop();
        }
    }

    /// An annotation that was not met, and where it is.
    fn missed(&self, place: &Value, pointer: String) -> Option<(&'static str, String)> {
        match place {
            Value::Object(members) => {
                let mut marks = WORDS.into_iter();
                let missed = marks.find(|word| {
                    members.get(*word).is_some_and(|mark| {
                        *mark == Value::Bool(true) && !self.seen.contains(&std::ptr::from_ref(mark))
                    })
                });
                if let Some(word) = missed {
                    return Some((word, pointer));
                }
                let mut members = members.iter();
                members.find_map(|(name, value)| self.missed(value, format!("{pointer}/{name}")))
            }
            Value::Array(elements) => {
                let mut elements = elements.iter().enumerate();
                elements.find_map(|(at, value)| self.missed(value, format!("{pointer}/{at}")))
            }
            _ => None,
        }
    }
}

/// Whether there is any annotation at all: most schemas have none.
fn annotated(place: &Value) -> bool {
    match place {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| WORDS.contains(&name.as_str()) && *value == Value::Bool(true) || annotated(value)),
        Value::Array(elements) => elements.iter().any(annotated),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_are_found_wherever_a_field_may_be_described() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "password": {"type": "string", "writeOnly": true},
                "maker": {"$ref": "#/$defs/maker"},
                "score": {"allOf": [{"type": "integer"}, {"readOnly": true}]},
                "off": {"readOnly": false},
                "phone": {"type": "string", "x-personal": true},
            },
            "anyOf": [{"properties": {"stock": {"readOnly": true}}}],
            "$defs": {"maker": {"type": "object", "properties": {"key": {"writeOnly": true}, "rank": {"readOnly": true}}}}
        });
        let found = Annotations::of(&schema);
        let path = |dotted: &str| dotted.split('.').map(str::to_owned).collect::<FieldPath>();
        assert_eq!(found.write_only, [path("maker.key"), path("password")]);
        assert_eq!(found.read_only, [path("maker.rank"), path("score"), path("stock")]);
        assert_eq!(found.personal, [path("phone")]);
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn an_annotation_that_can_not_be_enforced_is_refused() {
        let secret = json!({"type": "string", "writeOnly": true});
        for (schema, complaint) in [
            (
                json!({"properties": {"list": {"items": secret}}}),
                "/properties/list/items",
            ),
            (json!({"additionalProperties": secret}), "/additionalProperties"),
            (json!({"patternProperties": {"^x": secret}}), "/patternProperties/^x"),
            (json!({"if": {"properties": {"a": secret}}}), "/if/properties/a"),
            (json!({"$defs": {"a": secret}}), "/$defs/a"),
            (json!({"writeOnly": true}), "at ``"),
            (json!({"properties": {"writeOnly": true}}), "/properties"),
            (
                json!({"properties": {"a": {"readOnly": true, "writeOnly": true}}}),
                "both",
            ),
            (
                json!({"properties": {"a": {"readOnly": true}}, "required": ["a"]}),
                "required",
            ),
            (
                json!({"properties": {"a": {"x-personal": true}}, "required": ["a"]}),
                "go with its owner",
            ),
            (
                json!({"properties": {"list": {"items": {"x-personal": true}}}}),
                "/properties/list/items",
            ),
            (
                json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "secret": secret}}),
                "recursion",
            ),
        ] {
            let refused = check(&schema).unwrap_err();
            assert!(refused.contains(complaint), "{schema}: {refused}");
        }
    }

    #[test]
    fn a_schema_without_annotations_may_be_as_recursive_as_it_likes() {
        let schema = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"readOnly": false}}});
        assert_eq!(
            (check(&schema), Annotations::of(&schema)),
            (Ok(()), Annotations::default())
        );
    }
}
