//! Which ways lead to the documents that a question asks for, best first.

use std::collections::BTreeSet;

use super::encoding::{self, prefix_end};
use super::filter::{Predicate, Question, Test};
use super::index::directed;
use crate::capabilities::catalogue::{Collection, Field, Index, IndexPart, IndexState};
use crate::manifest::MAX_INDEX_FIELDS;
use crate::storage::engine::{Direction, Key, Range};
use crate::storage::keyspace;

/// The most entries of a unique index that are looked up one by one.
const MAX_POINTS: usize = 1_000;

/// A way to documents. What it finds still has to hold for the conditions that are not in `served`.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    /// Where the rows come from.
    pub source: Source<'a>,
    /// The conditions, by number, that all its rows meet.
    pub served: Vec<usize>,
    /// How many fields narrow it.
    pub bound: usize,
    /// The direction in which its rows come in the order asked for, if any.
    pub order: Option<Direction>,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// These entries of a unique index.
    Unique(Vec<Key>),
    /// These documents.
    Ids(BTreeSet<String>),
    /// Entries of an index: the ranges, which do not overlap, and what all their keys start with.
    Index {
        /// The index.
        index: &'a Index,
        /// The fields that are fixed, encoded.
        fixed: Vec<u8>,
        /// Where to look.
        ranges: Vec<Range>,
    },
    /// All documents.
    Documents(Range),
}

impl Path<'_> {
    /// Whether it leads to just the documents asked for.
    pub fn is_exact(&self, question: &Question) -> bool {
        question.scope.is_none() && self.serves_all(question)
    }

    /// Whether all conditions of the question are met on the way; policies are no condition.
    pub fn serves_all(&self, question: &Question) -> bool {
        self.served.len() == question.predicates.len()
    }
}

/// All ways, best first; the last one is to look at every document.
pub fn paths<'a>(collection: &'a Collection, question: &Question) -> Vec<Path<'a>> {
    let ready = || {
        collection
            .indexes()
            .iter()
            .filter(|index| index.state == IndexState::Ready)
    };
    let indexes = ready()
        .filter_map(|index| unique(collection, index, question).or_else(|| through(collection, index, question)));
    let mut paths: Vec<Path<'a>> = ids(question).into_iter().chain(indexes).collect();
    let order = question.sort.is_empty().then_some(direction(!question.ids_descend));
    let source = Source::Documents(keyspace::documents(collection.name()));
    paths.push(Path {
        source,
        served: Vec::new(),
        bound: 0,
        order,
    });
    paths.sort_by_key(|path| (rank(path, question), usize::MAX - path.bound));
    paths
}

/// The index that would serve the question: what is equal, then the order, or else a range. `None` where no index would:
/// one over a field that may hold an array has no order, and conditions that only exclude narrow nothing.
pub fn index_to_declare(collection: &Collection, question: &Question) -> Option<Vec<String>> {
    let fixed = |one: &&Predicate| one.fixed().is_some();
    let is_ordered = |path: &str| !collection.may_be_array(path);
    let mut ordered: Vec<(&str, bool)> = Vec::new();
    if question.sort.is_empty() {
        let ranges = question
            .predicates
            .iter()
            .filter(|one| !fixed(one) && !matches!(one.test, Test::Not(_)));
        let ranges = ranges.map(|one| one.path.as_str());
        ordered.extend(ranges.filter(|path| is_ordered(path)).take(1).map(|path| (path, false)));
    } else if question.sort.iter().all(|key| is_ordered(&key.path)) {
        ordered.extend(question.sort.iter().map(|key| (key.path.as_str(), key.descending)));
    }
    let mut equal: Vec<&str> = Vec::new();
    for one in question.predicates.iter().filter(fixed) {
        if !equal.contains(&one.path.as_str()) && equal.len() + ordered.len() < MAX_INDEX_FIELDS {
            equal.push(&one.path);
        }
    }
    let ordered = ordered
        .into_iter()
        .map(|(path, descending)| format!("{}{path}", if descending { "-" } else { "" }));
    let index: Vec<String> = equal.into_iter().map(str::to_owned).chain(ordered).collect();
    (!index.is_empty()).then_some(index)
}

fn direction(forward: bool) -> Direction {
    if forward {
        Direction::Forward
    } else {
        Direction::Backward
    }
}

fn rank(path: &Path<'_>, question: &Question) -> u8 {
    match (&path.source, path.order) {
        (Source::Unique(_) | Source::Ids(_), _) => 0,
        (_, Some(_)) if path.serves_all(question) => 1,
        (Source::Index { .. }, None) => 2,
        (_, Some(_)) => 3,
        (Source::Documents(_), None) => 4,
    }
}

/// The values that a field must equal, with the number of the condition that says so.
fn equal<'q>(question: &'q Question, field: &Field) -> Option<(usize, &'q BTreeSet<Vec<u8>>)> {
    let sets = question
        .predicates
        .iter()
        .enumerate()
        .filter_map(|(number, predicate)| match &predicate.test {
            Test::OneOf(set) if predicate.field == *field => Some((number, set)),
            _ => None,
        });
    sets.min_by_key(|(_, set)| set.len())
}

fn single<'q>(question: &'q Question, field: &Field) -> Option<(usize, &'q Vec<u8>)> {
    let (number, set) = equal(question, field)?;
    if set.len() > 1 {
        return None;
    }
    Some((number, set.first()?))
}

fn ids<'a>(question: &Question) -> Option<Path<'a>> {
    let (number, predicate) = question
        .predicates
        .iter()
        .enumerate()
        .find(|(_, one)| one.field == Field::Id)?;
    let Test::OneOf(set) = &predicate.test else {
        return None;
    };
    // The encoding of a string without NUL: a mark, the text, two bytes at the end.
    let text = |encoded: &Vec<u8>| {
        encoded
            .get(1..encoded.len().saturating_sub(2))
            .map(|text| String::from_utf8_lossy(text).into_owned())
    };
    let ids = set.iter().filter_map(text).collect();
    Some(Path {
        source: Source::Ids(ids),
        served: vec![number],
        bound: 1,
        order: None,
    })
}

/// The entries of a unique index, where all its fields are equal to one of some values.
fn unique<'a>(collection: &Collection, index: &Index, question: &Question) -> Option<Path<'a>> {
    if !index.unique || !holds_all(index, question) {
        return None;
    }
    let (mut rows, mut served) = (vec![Vec::new()], Vec::new());
    for part in &index.parts {
        let (number, values) = equal(question, &part.field)?;
        if rows.len() * values.len() > MAX_POINTS {
            return None;
        }
        let with = |row: &Vec<u8>, value: &[u8]| [row, &*directed(value, part.descending)].concat();
        rows = rows
            .iter()
            .flat_map(|row| values.iter().map(move |value| with(row, value)))
            .collect();
        served.push(number);
    }
    let key = |row: &Vec<u8>| index.key(collection.name(), row);
    Some(Path {
        source: Source::Unique(rows.iter().map(key).collect()),
        served,
        bound: index.parts.len(),
        order: None,
    })
}

/// Whether all documents that the question asks for are in the index: one with a null field is in no unique one.
fn holds_all(index: &Index, question: &Question) -> bool {
    let null = encoding::null();
    let excludes_null = |field: &Field| {
        let mut tests = question.predicates.iter().filter(|one| one.field == *field);
        tests.any(|one| match &one.test {
            Test::OneOf(set) => !set.contains(&null[..]),
            Test::Not(value) => *value == null,
            Test::Within(..) => true,
        })
    };
    let holds = |part: &IndexPart| !part.may_hold.null || excludes_null(&part.field);
    !index.unique || index.parts.iter().all(holds)
}

/// The conditions that hold for all that is in a unique index: that a field is not null.
fn not_null(index: &Index, question: &Question) -> Vec<usize> {
    let null = encoding::null();
    let holds = |one: &Predicate| {
        let of_field = |part: &IndexPart| part.field == one.field && !part.may_hold.array;
        matches!(&one.test, Test::Not(value) if *value == null) && index.parts.iter().any(of_field)
    };
    let conditions = question.predicates.iter().enumerate();
    let holding = conditions.filter(|(_, one)| index.unique && holds(one));
    holding.map(|(number, _)| number).collect()
}

/// The way through an index, where it narrows the question or has its order. A field that may be an array has an entry
/// for each element: the index serves only where such fields are equal to one value.
fn through<'a>(collection: &Collection, index: &'a Index, question: &Question) -> Option<Path<'a>> {
    if !holds_all(index, question) {
        return None;
    }
    let (mut fixed, mut served) = (Vec::new(), Vec::new());
    for part in &index.parts {
        let Some((number, value)) = single(question, &part.field) else {
            break;
        };
        fixed.extend(directed(value, part.descending));
        served.push(number);
    }
    let mut bound = served.len();
    let rest = &index.parts[bound..];
    if rest.iter().any(|part| part.may_hold.array) {
        return None;
    }
    let mut order = matching_order(index, bound, question);
    let mut starts = vec![index.entries_from(collection.name(), &fixed)];
    if let Some(next) = rest.first() {
        if let Some((number, set)) = equal(question, &next.field) {
            starts = set
                .iter()
                .map(|value| {
                    let fields = [&fixed[..], &directed(value, next.descending)].concat();
                    index.entries_from(collection.name(), &fields)
                })
                .collect();
            served.push(number);
            order = None;
            bound += 1;
        } else if let Some((numbers, from, to)) = bounds(question, &next.field) {
            starts = vec![between(collection, index, &fixed, next.descending, &from, &to)];
            served.extend(numbers);
            bound += 1;
        }
    }
    if bound == 0 && order.is_none() {
        return None;
    }
    served.extend(not_null(index, question));
    Some(Path {
        source: Source::Index {
            index,
            fixed,
            ranges: starts,
        },
        served,
        bound,
        order,
    })
}

/// The direction in which the fields behind the fixed ones are exactly the order asked for.
fn matching_order(index: &Index, fixed: usize, question: &Question) -> Option<Direction> {
    let rest = &index.parts[fixed..];
    if rest.len() != question.sort.len()
        || !rest
            .iter()
            .zip(&question.sort)
            .all(|(part, key)| part.field == key.field)
    {
        return None;
    }
    let same = |reversed: bool| {
        let keys = rest
            .iter()
            .zip(&question.sort)
            .all(|(part, key)| (part.descending != key.descending) == reversed);
        // Nothing is equal in a unique index, and the ids have nothing to decide.
        keys && (index.unique || (index.ids_descend() != question.ids_descend) == reversed)
    };
    [false, true]
        .into_iter()
        .find(|reversed| same(*reversed))
        .map(|reversed| direction(!reversed))
}

/// All range conditions on a field, as one.
fn bounds(question: &Question, field: &Field) -> Option<(Vec<usize>, Vec<u8>, Vec<u8>)> {
    let mut found: Option<(Vec<usize>, Vec<u8>, Vec<u8>)> = None;
    for (number, predicate) in question.predicates.iter().enumerate() {
        let Test::Within(from, to) = &predicate.test else {
            continue;
        };
        if predicate.field != *field {
            continue;
        }
        let (mut numbers, first, last) = found.unwrap_or_else(|| (Vec::new(), from.clone(), to.clone()));
        numbers.push(number);
        found = Some((numbers, first.max(from.clone()), last.min(to.clone())));
    }
    found
}

fn between(collection: &Collection, index: &Index, fixed: &[u8], descending: bool, from: &[u8], to: &[u8]) -> Range {
    // Flipped, what was from..to begins behind all that starts with the flipped `to`, and ends behind all that starts
    // with the flipped `from`.
    let (start, end) = if descending {
        (prefix_end(&directed(to, true)), prefix_end(&directed(from, true)))
    } else {
        (from.to_vec(), to.to_vec())
    };
    let key = |bound: &[u8]| index.key(collection.name(), &[fixed, bound].concat());
    let (start, end) = (key(&start), key(&end));
    Range {
        end: end.max(start.clone()),
        start,
    }
}
