//! A collection as the calls of one catalogue version see it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::definition::{CollectionDefinition, IndexDefinition, IndexState, MayHold};
use super::schema::{FieldKind, Schema};
use crate::capabilities::documents::fields;
use crate::capabilities::json;
use crate::capabilities::model::{Document, Problem, Violation};
use crate::manifest::{FieldPath, IndexField, OnErase};
use crate::storage::engine::{Key, Range};
use crate::storage::keyspace;

/// The names that the host adds to a body.
pub const RESERVED_FIELDS: [&str; 4] = ["id", "owner", "created_at", "updated_at"];

/// A collection with its schema and its indexes.
#[derive(Debug)]
pub struct Collection {
    name: Arc<str>,
    plugin: Arc<str>,
    schema: Arc<Schema>,
    indexes: Vec<Index>,
    on_erase: OnErase,
}

impl Collection {
    pub(super) fn new(name: &str, definition: &CollectionDefinition, schema: Arc<Schema>) -> Self {
        let indexes = definition.indexes.iter().map(Index::new).collect();
        Self {
            name: name.into(),
            plugin: definition.plugin.as_str().into(),
            schema,
            indexes,
            on_erase: definition.on_erase,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The plugin that declared it.
    pub fn plugin(&self) -> &Arc<str> {
        &self.plugin
    }

    /// Its schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What becomes of a document whose owner's account is erased.
    pub fn on_erase(&self) -> OnErase {
        self.on_erase
    }

    /// The fields that clients never see, nor plugins that were not granted it.
    pub fn write_only(&self) -> &[FieldPath] {
        &self.schema.annotations().write_only
    }

    /// The fields that no client sets.
    pub fn read_only(&self) -> &[FieldPath] {
        &self.schema.annotations().read_only
    }

    /// The fields that tell of the owner.
    pub fn personal(&self) -> &[FieldPath] {
        &self.schema.annotations().personal
    }

    /// Whether a dotted path leads to, into or around what is hidden: a condition on it would tell what is there.
    pub fn touches_write_only(&self, path: &str) -> bool {
        let names = || path.split('.');
        let touches = |hidden: &FieldPath| names().zip(hidden).all(|(name, hidden)| name == hidden);
        self.write_only().iter().any(touches)
    }

    /// The document as clients see it; `None` where its body is damaged.
    pub fn without_write_only(&self, document: Document) -> Option<Document> {
        if self.write_only().is_empty() {
            return Some(document);
        }
        let mut body = serde_json::from_slice(&document.body).ok()?;
        fields::remove(&mut body, self.write_only());
        Some(Document {
            body: json::print(&body).into(),
            ..document
        })
    }

    /// Its indexes, in whatever state.
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// What a field is, dotted for nested objects, the host's own fields included; `None` for an unknown one.
    pub fn field_kind(&self, path: &str) -> Option<FieldKind> {
        match Field::parse(path) {
            Field::Body(_) => self.schema.field(path),
            _ => Some(FieldKind::Text),
        }
    }

    /// Whether a document may hold an array there: one of its schema, or one that an index has met.
    pub fn may_be_array(&self, path: &str) -> bool {
        let field = Field::parse(path);
        let met = |part: &IndexPart| part.field == field && part.may_hold.array;
        super::may_hold(&self.schema, path).array || self.indexes.iter().flat_map(|index| &index.parts).any(met)
    }

    /// Whether a body may be stored: an object, without the host's own fields, within the schema.
    pub fn check(&self, body: &Value) -> Result<(), Problem> {
        let Value::Object(object) = body else {
            let message = "the body must be a JSON object".to_owned();
            return Err(Problem::Invalid(vec![Violation {
                pointer: String::new(),
                message,
            }]));
        };
        let reserved = RESERVED_FIELDS
            .iter()
            .filter(|name| object.contains_key(**name))
            .map(|name| Violation {
                pointer: format!("/{name}"),
                message: format!("`{name}` is set by the host; leave it out"),
            });
        let mut violations: Vec<Violation> = reserved.collect();
        violations.extend(self.schema.violations(body));
        violations.truncate(super::schema::MAX_VIOLATIONS);
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Problem::Invalid(violations))
        }
    }
}

/// An index of a collection.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its number in the keys.
    pub id: u32,
    /// What it is declared as.
    pub declared: Vec<IndexField>,
    /// Whether two documents may not be equal in it.
    pub unique: bool,
    /// Where it is in its life.
    pub state: IndexState,
    /// Its fields, in order.
    pub parts: Vec<IndexPart>,
}

/// One field of an index.
#[derive(Clone, Debug)]
pub struct IndexPart {
    /// The field.
    pub field: Field,
    /// Largest first.
    pub descending: bool,
    /// What some document may hold there.
    pub may_hold: MayHold,
}

impl Index {
    fn new(definition: &IndexDefinition) -> Self {
        let part = |(field, may_hold): (&IndexField, &MayHold)| IndexPart {
            field: Field::parse(&field.path),
            descending: field.descending,
            may_hold: *may_hold,
        };
        Self {
            id: definition.id,
            declared: definition.fields.clone(),
            unique: definition.unique,
            state: definition.state.clone(),
            parts: definition.fields.iter().zip(&definition.may_hold).map(part).collect(),
        }
    }

    /// Whether writers keep it up to date.
    pub fn is_maintained(&self) -> bool {
        matches!(self.state, IndexState::Building | IndexState::Ready)
    }

    /// Whether the ids at the end of its entries run backwards: they go with the last field.
    pub fn ids_descend(&self) -> bool {
        self.parts.last().is_some_and(|part| part.descending)
    }

    /// All its entries whose fields begin with these bytes.
    pub fn entries_from(&self, collection: &str, fields: &[u8]) -> Range {
        keyspace::prefix_range(self.key(collection, fields))
    }

    /// The key of these fields, and in an index that is not unique the id behind them.
    pub fn key(&self, collection: &str, fields: &[u8]) -> Key {
        match self.unique {
            true => keyspace::unique_entry(collection, self.id, fields),
            false => keyspace::index_prefix(collection, self.id, fields),
        }
    }

    /// Its fields as the manifest writes them.
    pub fn names(&self) -> Vec<String> {
        self.declared.iter().map(ToString::to_string).collect()
    }
}

/// What a filter, a sort key or an index looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The document's id.
    Id,
    /// The account that owns it.
    Owner,
    /// When it was made; in milliseconds.
    CreatedAt,
    /// When it was last written; in milliseconds.
    UpdatedAt,
    /// A field of the body: the names on the way to it.
    Body(Vec<String>),
}

impl Field {
    /// The field that a dotted path names.
    pub fn parse(path: &str) -> Self {
        match path {
            "id" => Self::Id,
            "owner" => Self::Owner,
            "created_at" => Self::CreatedAt,
            "updated_at" => Self::UpdatedAt,
            _ => Self::Body(path.split('.').map(str::to_owned).collect()),
        }
    }

    /// The value in a document whose body has been parsed.
    pub fn value<'a>(&self, document: &Document, body: &'a Value) -> Option<Cow<'a, Value>> {
        match self {
            Self::Id => Some(Cow::Owned(Value::String(document.id.to_string()))),
            Self::Owner => document.owner.map(|owner| Cow::Owned(Value::String(owner.to_string()))),
            Self::CreatedAt => Some(Cow::Owned(document.created_ms.into())),
            Self::UpdatedAt => Some(Cow::Owned(document.updated_ms.into())),
            Self::Body(names) => names
                .iter()
                .try_fold(body, |value, name| value.get(name))
                .map(Cow::Borrowed),
        }
    }
}
