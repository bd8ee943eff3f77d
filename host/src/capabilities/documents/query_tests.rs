//! A query gives what the same query gives in plain code over a list, whatever the indexes.

use std::cmp::Ordering;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::capabilities::fixture::{Host, NOW_MS, account, items};
use crate::capabilities::model::{Clause, Document, Operator, Problem, Selection};
use crate::policy::Scope;

use super::Error;
use super::query_strategies::{body, selection};

/// Whose documents the scoped queries see.
const ACCOUNT: u128 = 1;
/// What may be indexed; the first fields of some are arrays.
const INDEXES: [&[&str]; 12] = [
    &["name"],
    &["-name"],
    &["price"],
    &["name", "-price"],
    &["-price", "name"],
    &["flag", "price"],
    &["tags"],
    &["tags", "price"],
    &["maker.name", "flag"],
    &["any"],
    &["owner", "-created_at"],
    &["any", "name"],
];

/// What may be unique. Of the bodies that are equal in it, only the first is stored.
const UNIQUES: [&[&str]; 8] = [
    &["sku"],
    &["-sku"],
    &["name"],
    &["-price"],
    &["name", "-sku"],
    &["flag", "sku"],
    &["tags"],
    &["any", "sku"],
];

fn schema() -> Value {
    json!({"type": "object", "required": ["sku"], "properties": {
        "sku": {"type": "string"},
        "name": {"type": ["string", "null"]},
        "price": {"type": ["number", "null"]},
        "flag": {"type": "boolean"},
        "tags": {"type": ["array", "null"], "items": {"type": ["string", "null"]}},
        "maker": {"type": "object", "properties": {"name": {"type": "string"}}},
        "any": {},
    }})
}

#[derive(Clone, Copy, Debug)]
enum Indexing {
    /// Declared before the first document.
    First,
    /// Declared behind the first half of the documents, and not built.
    Building,
    /// Declared behind the first half of the documents, and built at the end.
    Built,
}

fn value<'a>(document: &Document, body: &'a Value, field: &str) -> std::borrow::Cow<'a, Value> {
    use std::borrow::Cow;
    match field {
        "id" => Cow::Owned(json!(document.id.to_string())),
        "owner" => Cow::Owned(json!(document.owner.map(|owner| owner.to_string()))),
        "created_at" => Cow::Owned(json!(document.created_ms)),
        "updated_at" => Cow::Owned(json!(document.updated_ms)),
        _ => {
            let place = body.pointer(&format!("/{}", field.replace('.', "/")));
            place.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
        }
    }
}

fn compare(left: &Value, right: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(truth) => 1 + u8::from(*truth),
        Value::Number(_) => 3,
        Value::String(_) => 4,
        _ => 5,
    };
    rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        // Large integers are compared with integers only, so that this is exact.
        (Value::Number(_), Value::Number(_)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap(),
        },
        _ => Ordering::Equal,
    })
}

fn holds(clause: &Clause, value: &Value) -> bool {
    let other = &clause.value;
    let is = |value: &Value, other: &Value| !value.is_object() && !value.is_array() && compare(value, other).is_eq();
    let same_type = matches!(
        (value, other),
        (Value::Number(_), Value::Number(_)) | (Value::String(_), Value::String(_))
    );
    let ordered = |holds: fn(Ordering) -> bool| same_type && holds(compare(value, other));
    let elements = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    match clause.operator {
        Operator::Eq => elements.iter().any(|element| is(element, other)),
        Operator::Ne => !elements.iter().any(|element| is(element, other)),
        Operator::OneOf => {
            let others = other.as_array().unwrap();
            elements
                .iter()
                .any(|element| others.iter().any(|other| is(element, other)))
        }
        Operator::Lt => ordered(Ordering::is_lt),
        Operator::Le => ordered(Ordering::is_le),
        Operator::Gt => ordered(Ordering::is_gt),
        Operator::Ge => ordered(Ordering::is_ge),
        Operator::Prefix => same_type && value.as_str().unwrap().starts_with(other.as_str().unwrap()),
    }
}

/// The ids that a selection asks for, in order.
fn expected(documents: &[Document], selection: &Selection, scope: &Scope) -> Vec<Uuid> {
    let with_bodies = documents
        .iter()
        .map(|document| (document, serde_json::from_slice::<Value>(&document.body).unwrap()));
    let mut found: Vec<(&Document, Value)> = with_bodies
        .filter(|(document, body)| {
            let all = |clause: &Clause| holds(clause, &value(document, body, &clause.field));
            scope.covers(&super::facts(document, body)) && selection.filters.iter().all(all)
        })
        .collect();
    // A field that a condition fixes does not sort; it matters where an array is equal by one of its elements.
    let fixed = |field: &str| {
        let single = |clause: &Clause| match clause.operator {
            Operator::Eq => true,
            Operator::OneOf => {
                let values = clause.value.as_array().unwrap();
                values.iter().all(|value| compare(value, &values[0]).is_eq())
            }
            _ => false,
        };
        selection
            .filters
            .iter()
            .any(|clause| clause.field == field && single(clause))
    };
    let by_id = selection.sort.iter().position(|order| order.field == "id");
    let sort = &selection.sort[..by_id.map_or(selection.sort.len(), |place| place + 1)];
    let directed = |ordering: Ordering, descending| if descending { ordering.reverse() } else { ordering };
    found.sort_by(|(left, left_body), (right, right_body)| {
        let keys = sort.iter().filter(|order| order.field != "id" && !fixed(&order.field));
        let ordering = keys.map(|order| {
            let (left, right) = (
                value(left, left_body, &order.field),
                value(right, right_body, &order.field),
            );
            directed(compare(&left, &right), order.descending)
        });
        let ids = directed(
            left.id.cmp(&right.id),
            sort.last().is_some_and(|order| order.descending),
        );
        ordering.fold(Ordering::Equal, Ordering::then).then(ids)
    });
    found.into_iter().map(|(document, _)| document.id).collect()
}

/// Follows the cursors to the end.
async fn all_pages(
    host: &Host,
    selection: &Selection,
    scope: Scope,
    expected: &[Uuid],
) -> Result<Vec<Uuid>, TestCaseError> {
    let (mut found, mut selection) = (Vec::new(), selection.clone());
    loop {
        let mut call = host.call();
        call.readable = Some(scope.clone());
        let page = call
            .items()
            .query(&selection)
            .await
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(page.total, selection.with_total.then_some(expected.len() as u64));
        found.extend(page.items.iter().map(|document| document.id));
        prop_assert!(found.len() <= expected.len(), "too many: {:?}", found);
        let Some(next) = page.next else { return Ok(found) };
        prop_assert_eq!(page.items.len(), selection.limit as usize);
        selection.cursor = Some(next);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Value, u128, u64),
    Replace(prop::sample::Index, Value),
    Delete(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (body(), 0_u128..3, 0_u64..3).prop_map(|(body, owner, later)| Step::Insert(body, owner, later)),
        2 => (any::<prop::sample::Index>(), body()).prop_map(|(which, body)| Step::Replace(which, body)),
        1 => any::<prop::sample::Index>().prop_map(Step::Delete),
    ]
}

/// The document that was stored; none where a unique index has an equal one.
fn unless_equal(stored: Result<Document, Error>) -> Option<Document> {
    match stored {
        Ok(document) => Some(document),
        Err(Error::Problem(Problem::Conflict(_))) => None,
        Err(other) => panic!("{other:?}"),
    }
}

async fn take(host: &Host, documents: &mut Vec<Document>, step: Step) {
    match step {
        Step::Insert(body, owner, later) => {
            let mut call = host.call_at(NOW_MS + later);
            if owner > 0 {
                call.caller = account(owner);
            }
            let inserted = call.items().insert(body).await;
            if let Some(document) = unless_equal(inserted) {
                documents.push(document);
                call.commit().await.unwrap();
            }
        }
        Step::Replace(which, body) if !documents.is_empty() => {
            let document = which.get(documents);
            let place = documents.iter().position(|one| one == document).unwrap();
            let mut call = host.call_at(NOW_MS + 5);
            let replaced = call.items().replace(&documents[place].id.to_string(), body).await;
            if let Some(document) = unless_equal(replaced) {
                documents[place] = document;
                call.commit().await.unwrap();
            }
        }
        Step::Delete(which) if !documents.is_empty() => {
            let document = documents.remove(which.index(documents.len()));
            let mut call = host.call();
            call.items().delete(&document.id.to_string()).await.unwrap();
            call.commit().await.unwrap();
        }
        Step::Replace(..) | Step::Delete(_) => {}
    }
}

async fn compare_all(
    steps: Vec<Step>,
    (indexes, uniques): (Vec<&[&str]>, Vec<&[&str]>),
    indexing: Indexing,
    selections: Vec<(Selection, bool)>,
) -> Result<(), TestCaseError> {
    let host = match indexing {
        Indexing::First => Host::with(items(schema(), &indexes, &uniques)).await,
        Indexing::Building | Indexing::Built => Host::with(items(schema(), &[], &[])).await,
    };
    let mut documents = Vec::new();
    let half = steps.len() / 2;
    for (number, step) in steps.into_iter().enumerate() {
        if number == half {
            host.declare(items(schema(), &indexes, &uniques)).await;
        }
        take(&host, &mut documents, step).await;
    }
    if matches!(indexing, Indexing::Built) {
        host.build().await;
    }
    host.assert_sound().await;
    for (selection, scoped) in selections {
        let scope = if scoped {
            Scope::Owned(Uuid::from_u128(ACCOUNT))
        } else {
            Scope::All
        };
        let expected = expected(&documents, &selection, &scope);
        let found = all_pages(&host, &selection, scope.clone(), &expected).await?;
        prop_assert_eq!(found, expected, "{:?} {:?}", selection, scope);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn a_query_gives_what_plain_code_gives(
        steps in prop::collection::vec(step(), 0..40),
        indexes in subsequence(INDEXES.to_vec(), 0..=5),
        uniques in subsequence(UNIQUES.to_vec(), 0..=3),
        indexing in select(vec![Indexing::First, Indexing::Building, Indexing::Built]),
        selections in prop::collection::vec((selection(), prop::bool::weighted(0.2)), 1..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare_all(steps, (indexes, uniques), indexing, selections))?;
    }
}
