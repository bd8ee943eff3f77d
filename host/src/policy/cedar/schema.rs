//! The Cedar schema of a host: generated from its resources, so that a policy that names what is not there is refused.

use cedar_policy::{Schema, SchemaFragment};
use serde_json::{Map, Value, json};

use super::document::{Attribute, Kind};
use super::names::{NAMESPACE, OWNER, document_type};
use crate::manifest::{Action, Resource, schema};

/// The fields that policies may name: those at the top of a body that hold a text, a whole number, a truth value, or an array
/// of texts or whole numbers. Fractions have no exact form in Cedar.
pub(super) fn attributes(resource: &Resource) -> Vec<Attribute> {
    let fields = schema::top_fields(&resource.schema).into_iter();
    let attribute = |(name, types, items): (String, Vec<String>, Vec<String>)| {
        let kind = match (single(&types)?, single(&items)) {
            ("string", _) => Kind::Text,
            ("integer", _) => Kind::Whole,
            ("boolean", _) => Kind::Truth,
            ("array", Some("string")) => Kind::Texts,
            ("array", Some("integer")) => Kind::Wholes,
            _ => return None,
        };
        Some(Attribute { name, kind })
    };
    fields.filter_map(attribute).collect()
}

/// The only type beside null.
fn single(types: &[String]) -> Option<&str> {
    let mut others = types.iter().filter(|name| *name != "null");
    let first = others.next()?;
    others.all(|other| other == first).then_some(first.as_str())
}

fn fragment<'r>(resources: impl Iterator<Item = &'r Resource>) -> Value {
    let mut types = Map::from_iter([
        ("Role".to_owned(), json!({})),
        ("Account".to_owned(), json!({ "memberOfTypes": ["Role"] })),
        ("Anonymous".to_owned(), json!({})),
        ("Operator".to_owned(), json!({})),
    ]);
    let mut documents = Vec::new();
    for resource in resources {
        // Nothing is required: a document may be older than its schema, and a policy has to ask whether it `has` a field.
        let owner = json!({ "type": "Entity", "name": "Account", "required": false });
        let mut fields = Map::from_iter([(OWNER.to_owned(), owner)]);
        for Attribute { name, kind } in attributes(resource) {
            fields.insert(name, cedar_type(kind));
        }
        let name = document_type(&resource.name);
        types.insert(
            name.clone(),
            json!({ "shape": { "type": "Record", "attributes": fields } }),
        );
        documents.push(name);
    }
    let applies = json!({ "principalTypes": ["Account", "Anonymous", "Operator"], "resourceTypes": documents });
    let actions = Action::ALL.map(|action| (action.word().to_owned(), json!({ "appliesTo": applies })));
    json!({ NAMESPACE: { "entityTypes": types, "actions": Map::from_iter(actions) } })
}

fn cedar_type(kind: Kind) -> Value {
    let set = |of: &str| json!({ "type": "Set", "element": { "type": of }, "required": false });
    match kind {
        Kind::Text => json!({ "type": "String", "required": false }),
        Kind::Whole => json!({ "type": "Long", "required": false }),
        Kind::Truth => json!({ "type": "Boolean", "required": false }),
        Kind::Texts => set("String"),
        Kind::Wholes => set("Long"),
    }
}

/// The schema of a host with these resources; the error is a sentence.
pub(super) fn of<'r>(resources: impl Iterator<Item = &'r Resource>) -> Result<Schema, String> {
    Schema::from_json_value(fragment(resources)).map_err(|error| error.to_string())
}

/// The same in Cedar's own language, for people; the error is a sentence.
pub fn text<'r>(resources: impl Iterator<Item = &'r Resource>) -> Result<String, String> {
    let fragment = SchemaFragment::from_json_value(fragment(resources)).map_err(|error| error.to_string())?;
    fragment.to_cedarschema().map_err(|error| error.to_string())
}
