//! Filters, sorts and cursors over documents in memory.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::collection::Stored;
use crate::{Clause, Operator, Problem, Result, Selection};

/// The matching documents of one page, not yet printed.
pub(super) struct Found<'a> {
    pub(super) items: Vec<&'a Stored>,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

/// Where a page ended: the query that it belongs to, the sort values and the id of its last document.
#[derive(Serialize, Deserialize)]
struct Cursor {
    query: String,
    values: Vec<Value>,
    id: String,
}

pub(super) fn run<'a>(documents: impl Iterator<Item = &'a Stored>, selection: &Selection) -> Result<Found<'a>> {
    check(selection)?;
    let clauses = selection
        .filters
        .iter()
        .map(|clause| Ok((clause, clause.value.to_value()?)))
        .collect::<Result<Vec<_>>>()?;
    let mut matching: Vec<_> = documents
        .filter(|document| clauses.iter().all(|(clause, value)| holds(document, clause, value)))
        .collect();
    let total = selection.with_total.then_some(matching.len() as u64);
    matching.sort_by(|left, right| {
        compare(
            selection,
            &sort_values(selection, left),
            &left.id,
            &sort_values(selection, right),
            &right.id,
        )
    });

    let query = format!("{:?} {:?}", selection.filters, selection.sort);
    if let Some(text) = &selection.cursor {
        let cursor: Cursor =
            serde_json::from_str(text).map_err(|_| Problem::invalid("", "This is not a cursor of a page."))?;
        if cursor.query != query {
            return Err(Problem::invalid("", "The cursor belongs to another query."));
        }
        matching.retain(|document| {
            compare(
                selection,
                &sort_values(selection, document),
                &document.id,
                &cursor.values,
                &cursor.id,
            )
            .is_gt()
        });
    }
    let limit = if selection.limit == 0 {
        20
    } else {
        selection.limit as usize
    };
    let more = matching.len() > limit;
    matching.truncate(limit);
    let next = match matching.last() {
        Some(last) if more => Some(serde_json::to_string(&Cursor {
            query,
            values: sort_values(selection, last),
            id: last.id.clone(),
        })?),
        _ => None,
    };
    Ok(Found {
        items: matching,
        next,
        total,
    })
}

/// The limits that the real host sets.
fn check(selection: &Selection) -> Result<()> {
    let refuse = |message: &str| Err(Problem::invalid("", message));
    if selection.filters.len() > 16 {
        return refuse("A query has at most 16 filters.");
    }
    if selection.sort.len() > 4 {
        return refuse("A query has at most 4 sort keys.");
    }
    if selection.limit > 1_000 {
        return refuse("A page has at most 1,000 documents.");
    }
    Ok(())
}

/// The field's value; `null` where it is absent.
fn field<'a>(document: &'a Stored, name: &str) -> Cow<'a, Value> {
    match name {
        "id" => Cow::Owned(document.id.as_str().into()),
        "owner" => Cow::Owned(document.owner.as_deref().into()),
        "created_at" => Cow::Owned(document.created_ms.into()),
        "updated_at" => Cow::Owned(document.updated_ms.into()),
        _ => body_field(&document.body, name).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
    }
}

/// A field of a body, dotted for nested objects.
pub(super) fn body_field<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(body, |value, name| value.get(name))
}

fn holds(document: &Stored, clause: &Clause, value: &Value) -> bool {
    let found = field(document, &clause.field);
    let is = |value: &Value| match found.as_ref() {
        Value::Array(elements) => elements.iter().any(|element| order(element, value).is_eq()),
        found => order(found, value).is_eq(),
    };
    // Ranges compare values of one type only.
    let within = |wanted: fn(Ordering) -> bool| rank(&found) == rank(value) && wanted(order(&found, value));
    match clause.operator {
        Operator::Eq => is(value),
        Operator::Ne => !is(value),
        Operator::Lt => within(Ordering::is_lt),
        Operator::Le => within(Ordering::is_le),
        Operator::Gt => within(Ordering::is_gt),
        Operator::Ge => within(Ordering::is_ge),
        Operator::OneOf => value.as_array().is_some_and(|values| values.iter().any(is)),
        Operator::Prefix => match (found.as_str(), value.as_str()) {
            (Some(found), Some(start)) => found.starts_with(start),
            _ => false,
        },
    }
}

fn sort_values(selection: &Selection, document: &Stored) -> Vec<Value> {
    selection
        .sort
        .iter()
        .map(|key| field(document, &key.field).into_owned())
        .collect()
}

/// The order of a query: by its sort keys, then by id in the direction of the last of them.
fn compare(selection: &Selection, left: &[Value], left_id: &str, right: &[Value], right_id: &str) -> Ordering {
    let directed = |ordering: Ordering, descending: bool| if descending { ordering.reverse() } else { ordering };
    for ((key, left), right) in selection.sort.iter().zip(left).zip(right) {
        let ordering = directed(order(left, right), key.descending);
        if ordering.is_ne() {
            return ordering;
        }
    }
    directed(
        left_id.cmp(right_id),
        selection.sort.last().is_some_and(|key| key.descending),
    )
}

/// null < false < true < numbers < strings; what has no order (arrays, objects) comes last, all equal to themselves only.
fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => number_order(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) if left != right => {
            rank(left)
                .cmp(&rank(right))
                .then_with(|| left.to_string().cmp(&right.to_string()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Exact for integers of 64 bits; by value where one is a fraction.
fn number_order(left: &serde_json::Number, right: &serde_json::Number) -> Ordering {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}
