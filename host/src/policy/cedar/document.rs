//! A document as Cedar sees it: its owner, and those of its fields that the policies at hand name.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use serde_json::{Number, Value};
use uuid::Uuid;

use super::names;
use super::principal::Principal;

/// What policy may know of a document.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub owner: Option<Uuid>,
    /// Its body; null where the scope does not need it.
    pub body: &'a Value,
}

/// The Cedar type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Truth,
    Texts,
    Wholes,
}

/// A field that policies may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A document has a value that its schema does not allow any more: nothing is decided about it, so nothing is allowed.
#[derive(Debug)]
pub(super) struct Unfit;

/// The document as an entity with these attributes.
pub(super) fn entity(
    uid: EntityUid,
    facts: &Facts<'_>,
    attributes: &[Attribute],
    names_owner: bool,
    principal: &Principal,
) -> Result<Entity, Unfit> {
    let mut values = HashMap::with_capacity(attributes.len() + 1);
    if let Some(owner) = facts.owner.filter(|_| names_owner) {
        let owner = match principal.account {
            Some(account) if account == owner => principal.uid.clone(),
            _ => names::uuid(&names::ACCOUNT, owner),
        };
        values.insert(names::OWNER.to_owned(), RestrictedExpression::new_entity_uid(owner));
    }
    for Attribute { name, kind } in attributes {
        match facts.body.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => {
                values.insert(name.clone(), expression(*kind, value)?);
            }
        }
    }
    Entity::new(uid, values, HashSet::new()).map_err(|_| Unfit)
}

fn expression(kind: Kind, value: &Value) -> Result<RestrictedExpression, Unfit> {
    Ok(match (kind, value) {
        (Kind::Text, Value::String(text)) => RestrictedExpression::new_string(text.clone()),
        (Kind::Whole, Value::Number(number)) => RestrictedExpression::new_long(whole(number)?),
        (Kind::Truth, Value::Bool(truth)) => RestrictedExpression::new_bool(*truth),
        (Kind::Texts | Kind::Wholes, Value::Array(elements)) => {
            let element = if kind == Kind::Texts { Kind::Text } else { Kind::Whole };
            let elements = elements.iter().map(|value| expression(element, value));
            RestrictedExpression::new_set(elements.collect::<Result<Vec<_>, _>>()?)
        }
        _ => return Err(Unfit),
    })
}

/// A whole number, however it is written: JSON Schema takes `1.0` for one.
fn whole(number: &Number) -> Result<i64, Unfit> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match (number.as_i64(), number.as_f64()) {
        (Some(whole), _) => Ok(whole),
        (None, Some(real)) if real.fract() == 0.0 && real.abs() <= EXACT => Ok(real as i64),
        _ => Err(Unfit),
    }
}
