//! Indexes of a resource: each field must exist in the schema and be of a kind that can be compared.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;
use toml::Spanned;

use super::schema::{self, FieldShape};
use super::{IndexField, Source};

/// The most indexes of a collection, unique ones included.
pub const MAX_INDEXES: usize = 16;
/// The most fields of an index: four strings of the largest size still make a key that pages of the store hold well.
pub const MAX_INDEX_FIELDS: usize = 4;
const OWNER: &str = "owner";
/// What the host adds to a body and an index may hold.
const HOST_FIELDS: [&str; 3] = [OWNER, "created_at", "updated_at"];

type RawIndexes = Vec<Spanned<Vec<Spanned<String>>>>;
type Indexes = Vec<Vec<IndexField>>;

/// The plain and the unique indexes of a resource.
pub(super) fn of(plain: RawIndexes, unique: RawIndexes, schema: &Value, source: &mut Source<'_>) -> (Indexes, Indexes) {
    if let Some(first_too_many) = plain.iter().chain(&unique).nth(MAX_INDEXES) {
        let help = format!("a resource has at most {MAX_INDEXES}, unique ones included");
        source.complain(first_too_many.span(), "too many indexes", Some(help));
    }
    for field in unique.iter().flat_map(Spanned::get_ref) {
        if let Some(path) = field.get_ref().strip_prefix('-') {
            let help = format!("write `\"{path}\"`");
            source.complain(field.span(), "a unique index has no order", Some(help));
        }
    }
    (all(plain, schema, source), all(unique, schema, source))
}

/// Adds the index that a list of the caller's own documents needs, unless one begins with their owner.
pub(super) fn add_owner(plain: &mut Indexes, unique: usize, resource: Range<usize>, source: &mut Source<'_>) {
    let begins = |index: &Vec<IndexField>| index.first().is_some_and(|field| field.path == OWNER);
    if plain.iter().any(begins) {
        return;
    }
    if plain.len() + unique == MAX_INDEXES {
        let help = format!("leave one of the {MAX_INDEXES} out, or let one begin with `owner`");
        source.complain(
            resource,
            "a list for `owner` needs an index over `owner`, and there are too many",
            Some(help),
        );
    }
    plain.push(vec![parse_field(OWNER)]);
}

fn all(given: RawIndexes, schema: &Value, source: &mut Source<'_>) -> Indexes {
    let mut seen = BTreeSet::new();
    given
        .into_iter()
        .map(|raw| {
            let index = index(&raw, schema, source);
            if !seen.insert(index.clone()) {
                source.complain(raw.span(), "this index is here twice", Some("remove one".to_owned()));
            }
            index
        })
        .collect()
}

fn index(raw: &Spanned<Vec<Spanned<String>>>, schema: &Value, source: &mut Source<'_>) -> Vec<IndexField> {
    let fields = raw.get_ref();
    if fields.is_empty() || fields.len() > MAX_INDEX_FIELDS {
        let message = format!("an index over {} fields", fields.len());
        source.complain(
            raw.span(),
            message,
            Some(format!("name 1 to {MAX_INDEX_FIELDS} fields")),
        );
    }
    let mut paths = BTreeSet::new();
    let mut arrays = 0;
    fields
        .iter()
        .map(|written| {
            let field = parse_field(written.get_ref());
            match schema::field(schema, &field.path) {
                None if HOST_FIELDS.contains(&field.path.as_str()) => {}
                None => {
                    let message = format!("the schema has no field `{}`", field.path);
                    let help = "declare it under `properties`; nested fields are written `outer.inner`".to_owned();
                    source.complain(written.span(), message, Some(help));
                }
                Some(FieldShape::Object) => {
                    let message = format!("`{}` is an object, which has no order", field.path);
                    let help = format!("name a field of it: `\"{}.inner\"`", field.path);
                    source.complain(written.span(), message, Some(help));
                }
                Some(FieldShape::Array) => arrays += 1,
                Some(FieldShape::Scalar) => {}
            }
            if arrays > 1 {
                let help = "an index holds an entry per element, so it can hold one array".to_owned();
                source.complain(written.span(), "a second array in one index", Some(help));
                arrays = 1;
            }
            if !paths.insert(field.path.clone()) {
                let message = format!("`{}` is in this index twice", field.path);
                source.complain(written.span(), message, Some("remove one".to_owned()));
            }
            field
        })
        .collect()
}

fn parse_field(written: &str) -> IndexField {
    let path = written.strip_prefix('-');
    IndexField {
        path: path.unwrap_or(written).to_owned(),
        descending: path.is_some(),
    }
}
