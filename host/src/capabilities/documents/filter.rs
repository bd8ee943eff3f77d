//! A selection, checked and made ready: conditions on encoded values, the order, and the position to go on behind.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Error, encoding, index};
use crate::capabilities::catalogue::{Collection, Field, FieldKind};
use crate::capabilities::model::{Clause, Document, Operator, Order, Selection};
use crate::policy::Scope;

/// The most conditions of a selection.
pub const MAX_FILTERS: usize = 16;
/// The most sort keys of a selection.
pub const MAX_SORT_KEYS: usize = 4;
/// The most values that `one-of` compares with.
pub const MAX_ONE_OF: usize = 100;
/// The largest page.
pub const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 20;

/// What the encoding of a value must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of these; on an array, one of its elements is.
    OneOf(BTreeSet<Vec<u8>>),
    /// Not this one; on an array, none of its elements is.
    Not(Vec<u8>),
    /// From the first up to, not including, the second; never true of an array.
    Within(Vec<u8>, Vec<u8>),
}

/// One condition.
#[derive(Clone, Debug)]
pub struct Predicate {
    /// On this field.
    pub field: Field,
    /// As the selection names it.
    pub path: String,
    /// What must hold.
    pub test: Test,
}

impl Predicate {
    /// The field, where one value is asked for.
    pub fn fixed(&self) -> Option<&Field> {
        matches!(&self.test, Test::OneOf(set) if set.len() == 1).then_some(&self.field)
    }

    /// Whether it holds for a document.
    pub fn holds(&self, document: &Document, body: &Value) -> bool {
        let value = self.field.value(document, body);
        let elements = match value.as_deref() {
            Some(Value::Array(elements)) => Some(elements),
            _ => None,
        };
        let scalar = || {
            value
                .as_deref()
                .map_or_else(|| encoding::null().to_vec(), encoding::encoded)
        };
        match (&self.test, elements) {
            (Test::OneOf(set), Some(elements)) => {
                elements.iter().any(|element| set.contains(&encoding::encoded(element)))
            }
            (Test::OneOf(set), None) => set.contains(&scalar()),
            (Test::Not(other), Some(elements)) => elements.iter().all(|element| encoding::encoded(element) != *other),
            (Test::Not(other), None) => scalar() != *other,
            (Test::Within(..), Some(_)) => false,
            (Test::Within(from, to), None) => (from..to).contains(&&scalar()),
        }
    }
}

/// One sort key.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// The field.
    pub field: Field,
    /// As the selection names it.
    pub path: String,
    /// Largest first.
    pub descending: bool,
}

/// A selection made ready.
#[derive(Clone, Debug)]
pub struct Question {
    /// All must hold; the scope is among them.
    pub predicates: Vec<Predicate>,
    /// The order, before ids decide.
    pub sort: Vec<SortKey>,
    /// Whether larger ids come first among equals.
    pub ids_descend: bool,
    /// The size of a page.
    pub limit: usize,
    /// What has to cover each document, where no condition says it.
    pub scope: Option<Scope>,
}

impl Question {
    /// Checks a selection against what the collection's schema knows.
    pub fn new(collection: &Collection, selection: &Selection, scope: &Scope) -> Result<Self, Error> {
        check_sizes(selection)?;
        let mut predicates = Vec::new();
        for clause in &selection.filters {
            predicates.push(predicate(collection, clause)?);
        }
        let one_by_one = match scope {
            Scope::All | Scope::Owned(_) => None,
            Scope::Cedar(_) | Scope::Either(_) | Scope::Both(_) => Some(scope.clone()),
        };
        if let Scope::Owned(account) = scope {
            let owner = encoding::encoded(&Value::String(account.to_string()));
            let test = Test::OneOf(BTreeSet::from([owner]));
            predicates.push(Predicate {
                field: Field::Owner,
                path: "owner".to_owned(),
                test,
            });
        }
        let (sort, ids_descend) = order(collection, &selection.sort, &predicates)?;
        let limit = if selection.limit == 0 {
            DEFAULT_LIMIT
        } else {
            selection.limit
        };
        Ok(Self {
            predicates,
            sort,
            ids_descend,
            limit: limit as usize,
            scope: one_by_one,
        })
    }

    /// Where a document stands in the order: positions compare as bytes.
    pub fn position(&self, document: &Document, body: &Value) -> Vec<u8> {
        let mut position = Vec::new();
        for key in &self.sort {
            let mut encoded = Vec::new();
            encoding::encode(key.field.value(document, body).as_deref(), &mut encoded);
            position.extend(index::directed(&encoded, key.descending));
        }
        position.extend(index::id_bytes(document.id, self.ids_descend));
        position
    }

    /// Whether all conditions hold for a document, but those that are known to.
    pub fn holds(&self, document: &Document, body: &Value, served: &[usize]) -> bool {
        let mut open = self
            .predicates
            .iter()
            .enumerate()
            .filter(|(number, _)| !served.contains(number));
        open.all(|(_, predicate)| predicate.holds(document, body)) && self.is_covered(document, body)
    }

    fn is_covered(&self, document: &Document, body: &Value) -> bool {
        let covers = |scope: &Scope| scope.covers(&super::facts(document, body));
        self.scope.as_ref().is_none_or(covers)
    }
}

/// Refuses to ask about what is hidden: the answer would tell what is there.
pub fn refuse_write_only(collection: &Collection, selection: &Selection) -> Result<(), Error> {
    let filters = selection.filters.iter().map(|clause| &clause.field);
    let mut asked = filters.chain(selection.sort.iter().map(|order| &order.field));
    match asked.find(|path| collection.touches_write_only(path)) {
        None => Ok(()),
        Some(path) => Err(Error::BadSelection {
            code: "write_only_field",
            message: format!("`{path}` can be written, but not read: leave it out"),
        }),
    }
}

fn check_sizes(selection: &Selection) -> Result<(), Error> {
    let refuse = |code, message: String| Err(Error::BadSelection { code, message });
    if selection.filters.len() > MAX_FILTERS {
        return refuse(
            "too_many_filters",
            format!("a query has at most {MAX_FILTERS} conditions"),
        );
    }
    if selection.sort.len() > MAX_SORT_KEYS {
        return refuse(
            "too_many_sort_keys",
            format!("a query has at most {MAX_SORT_KEYS} sort keys"),
        );
    }
    if selection.limit > MAX_LIMIT {
        return refuse("bad_limit", format!("`limit` is 1 to {MAX_LIMIT}"));
    }
    Ok(())
}

fn kind_of(collection: &Collection, path: &str) -> Result<FieldKind, Error> {
    collection.field_kind(path).ok_or_else(|| Error::BadSelection {
        code: "unknown_field",
        message: format!("`{}` has no field `{path}`", collection.name()),
    })
}

/// The order asked for, without the keys that decide nothing: what comes behind `id`, what is there twice, and what a
/// condition fixes to one value. `created_at` as the last key is the order of the ids, which begin with that time.
fn order(collection: &Collection, orders: &[Order], predicates: &[Predicate]) -> Result<(Vec<SortKey>, bool), Error> {
    let mut sort: Vec<SortKey> = Vec::new();
    let mut ids_descend = None;
    for Order {
        field: path,
        descending,
    } in orders
    {
        if matches!(kind_of(collection, path)?, FieldKind::Array(_) | FieldKind::Object) {
            let message = format!("`{path}` holds arrays or objects, which have no order");
            return Err(Error::BadSelection {
                code: "bad_sort",
                message,
            });
        }
        let (field, descending) = (Field::parse(path), *descending);
        if field == Field::Id {
            ids_descend = ids_descend.or(Some(descending));
        } else if ids_descend.is_none() {
            sort.push(SortKey {
                field,
                path: path.clone(),
                descending,
            });
        }
    }
    let ids_descend = ids_descend.unwrap_or_else(|| sort.last().is_some_and(|last| last.descending));
    let mut decided: Vec<Field> = predicates.iter().filter_map(Predicate::fixed).cloned().collect();
    sort.retain(|key| {
        let decides = !decided.contains(&key.field);
        decided.push(key.field.clone());
        decides
    });
    sort.pop_if(|last| last.field == Field::CreatedAt && last.descending == ids_descend);
    Ok((sort, ids_descend))
}

fn predicate(collection: &Collection, clause: &Clause) -> Result<Predicate, Error> {
    let kind = kind_of(collection, &clause.field)?;
    let field = Field::parse(&clause.field);
    let refuse = |message: String| Error::BadSelection {
        code: "bad_filter",
        message,
    };
    let path = &clause.field;
    if kind == FieldKind::Object {
        return Err(refuse(format!(
            "`{path}` is an object: name one of its fields, as in `{path}.name`"
        )));
    }
    let is_array = matches!(kind, FieldKind::Array(_));
    if is_array && !matches!(clause.operator, Operator::Eq | Operator::Ne | Operator::OneOf) {
        return Err(refuse(format!(
            "`{path}` is an array: only eq, ne and one-of compare with its elements"
        )));
    }
    let value = |value: &Value| {
        comparable(&field, &kind, value).ok_or_else(|| refuse(format!("`{path}` can't be compared with {value}")))
    };
    let test = match clause.operator {
        Operator::Eq => Test::OneOf(BTreeSet::from([encoding::encoded(&value(&clause.value)?)])),
        Operator::Ne => Test::Not(encoding::encoded(&value(&clause.value)?)),
        Operator::OneOf => match &clause.value {
            Value::Array(values) if (1..=MAX_ONE_OF).contains(&values.len()) => {
                let encoded = values.iter().map(|one| Ok(encoding::encoded(&value(one)?)));
                Test::OneOf(encoded.collect::<Result<_, Error>>()?)
            }
            _ => {
                return Err(refuse(format!(
                    "one-of on `{path}` needs an array of 1 to {MAX_ONE_OF} values"
                )));
            }
        },
        Operator::Prefix => match &clause.value {
            Value::String(start) if !matches!(field, Field::CreatedAt | Field::UpdatedAt) => {
                value(&clause.value)?;
                let from = encoding::encoded_prefix(start);
                let to = encoding::prefix_end(&from);
                Test::Within(from, to)
            }
            _ => return Err(refuse(format!("prefix on `{path}` needs a string field and a string"))),
        },
        Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
            let bound = value(&clause.value)?;
            within(clause.operator, &bound)
                .ok_or_else(|| refuse(format!("`{path}`: only numbers and strings are smaller or larger")))?
        }
    };
    Ok(Predicate {
        field,
        path: path.clone(),
        test,
    })
}

fn within(operator: Operator, bound: &Value) -> Option<Test> {
    let (first, end) = encoding::type_bounds(bound)?;
    let at = encoding::encoded(bound);
    Some(match operator {
        Operator::Lt => Test::Within(first, at),
        Operator::Le => Test::Within(first, encoding::prefix_end(&at)),
        Operator::Gt => Test::Within(encoding::prefix_end(&at), end),
        _ => Test::Within(at, end),
    })
}

/// The value as the field holds it: times are milliseconds there. `None` where the types don't fit.
fn comparable(field: &Field, kind: &FieldKind, value: &Value) -> Option<Value> {
    if matches!(field, Field::CreatedAt | Field::UpdatedAt) {
        return match value {
            Value::String(text) => milliseconds(text),
            Value::Number(_) => Some(value.clone()),
            _ => None,
        };
    }
    let fits = match (kind, value) {
        (_, Value::Array(_) | Value::Object(_)) => false,
        (_, Value::Null) | (FieldKind::Any, _) | (FieldKind::Text, Value::String(_)) => true,
        (FieldKind::Integer | FieldKind::Number, Value::Number(_)) | (FieldKind::Boolean, Value::Bool(_)) => true,
        (FieldKind::Array(element), _) => return comparable(field, element, value),
        _ => false,
    };
    fits.then(|| value.clone())
}

fn milliseconds(text: &str) -> Option<Value> {
    let nanoseconds = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    match i64::try_from(nanoseconds / 1_000_000) {
        Ok(whole) if nanoseconds % 1_000_000 == 0 => Some(whole.into()),
        // A time between two milliseconds: larger than the one, smaller than the other.
        _ => Some(((nanoseconds as f64) / 1e6).into()),
    }
}
