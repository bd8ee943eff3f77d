//! How Portcullis's things are called in Cedar: everything stands in the namespace `Portcullis`.

use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use uuid::Uuid;

use crate::manifest::Action;

/// The namespace of all names.
pub(super) const NAMESPACE: &str = "Portcullis";
/// An account; its id is the account's.
pub(super) static ACCOUNT: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Account"));
/// One who is not signed in; there is one of them.
pub(super) static ANONYMOUS: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Anonymous"));
/// The holder of the operator token; there is one.
pub(super) static OPERATOR: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Operator"));
/// A role: a group of accounts.
pub(super) static ROLE: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Role"));
/// The attribute of a document that says whose it is.
pub(super) const OWNER: &str = "owner";
static ACTION: LazyLock<EntityTypeName> = LazyLock::new(|| entity_type("Action"));

/// What no type may be called.
const WORDS_OF_CEDAR: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];

/// The type of a resource's documents, without the namespace: the resource's name, where that is a name in Cedar. A `-` makes
/// the next letter a capital, and a word of the language gets a `_`. Names that become alike are refused when policies are
/// loaded.
pub(super) fn document_type(resource: &str) -> String {
    let mut name = String::with_capacity(resource.len() + 1);
    let mut letters = resource.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '-' {
            name.push(letter);
        } else if let Some(next) = letters.next_if(char::is_ascii_lowercase) {
            name.push(next.to_ascii_uppercase());
        } else {
            name.push('_');
        }
    }
    if WORDS_OF_CEDAR.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// A type of the namespace. What is called so is an identifier: a constant, or what `document_type` gives.
pub(super) fn entity_type(name: &str) -> EntityTypeName {
    EntityTypeName::from_str(&format!("{NAMESPACE}::{name}")).expect("the name is an identifier")
}

pub(super) fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

pub(super) fn uuid(of: &EntityTypeName, id: Uuid) -> EntityUid {
    uid(of, id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}

pub(super) fn action(action: Action) -> EntityUid {
    uid(&ACTION, action.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_resource_has_a_type() {
        for (resource, name) in [
            ("products", "products"),
            ("line_items", "line_items"),
            ("line-items", "lineItems"),
            ("a-1-", "a_1_"),
            ("in", "in_"),
            ("if", "if_"),
        ] {
            assert_eq!(document_type(resource), name);
            let _ = entity_type(&document_type(resource));
        }
    }
}
