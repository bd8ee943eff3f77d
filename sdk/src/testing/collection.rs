//! The documents of one collection, its schema and its unique fields.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::query;
use crate::{Document, Json, Page, Problem, Result, Selection, Violation};

/// One collection.
#[derive(Clone, Debug, Default)]
pub(super) struct Collection {
    validator: Option<Rc<jsonschema::Validator>>,
    pub(super) unique: Vec<Vec<String>>,
    pub(super) access: Access,
    /// Shared with the copy that a call may have to go back to.
    documents: BTreeMap<String, Rc<Stored>>,
}

/// What the plugin under test may do with a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) create: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            read: true,
            create: true,
            update: true,
            delete: true,
        }
    }
}

/// A document with its body as a tree.
pub(super) type Stored = Document<Value>;

/// Who writes, and when.
pub(super) struct Write {
    pub(super) now_ms: u64,
    pub(super) owner: Option<String>,
}

impl Collection {
    /// A collection as a manifest declares it.
    pub(super) fn declared(validator: jsonschema::Validator, unique: Vec<Vec<String>>) -> Self {
        Self {
            validator: Some(Rc::new(validator)),
            unique,
            ..Self::default()
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Document> {
        self.documents.get(id).map(|document| printed(document))
    }

    pub(super) fn all(&self) -> Vec<Document> {
        self.documents.values().map(|document| printed(document)).collect()
    }

    pub(super) fn query(&self, selection: &Selection) -> Result<Page> {
        let page = query::run(self.documents.values().map(Rc::as_ref), selection)?;
        Ok(Page {
            items: page.items.into_iter().map(printed).collect(),
            next: page.next,
            total: page.total,
        })
    }

    pub(super) fn insert(&mut self, id: String, body: &str, write: Write) -> Result<Document> {
        let body = self.checked(body, None)?;
        let document = Document {
            id: id.clone(),
            revision: 1,
            owner: write.owner,
            created_ms: write.now_ms,
            updated_ms: write.now_ms,
            body,
        };
        let answer = printed(&document);
        self.documents.insert(id, Rc::new(document));
        Ok(answer)
    }

    pub(super) fn replace(&mut self, id: &str, body: &str, write: &Write) -> Result<Document> {
        if !self.documents.contains_key(id) {
            return Err(Problem::NotFound);
        }
        let body = self.checked(body, Some(id))?;
        let document = Rc::make_mut(self.documents.get_mut(id).ok_or(Problem::NotFound)?);
        document.body = body;
        document.revision += 1;
        document.updated_ms = write.now_ms;
        Ok(printed(document))
    }

    pub(super) fn patch(&mut self, id: &str, merge_patch: &str, write: &Write) -> Result<Document> {
        let current = self.get(id).ok_or(Problem::NotFound)?;
        let next = current.body.merged(&merge_patch.parse()?)?;
        self.replace(id, next.as_str(), write)
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<()> {
        self.documents.remove(id).map(|_| ()).ok_or(Problem::NotFound)
    }

    /// The body, where it is an object that fits the schema and takes no unique field of another document.
    fn checked(&self, body: &str, id: Option<&str>) -> Result<Value> {
        let body: Value = serde_json::from_str(body)?;
        if !body.is_object() {
            return Err(Problem::invalid("", "A body is a JSON object."));
        }
        if let Some(validator) = &self.validator {
            let violations: Vec<_> = validator
                .iter_errors(&body)
                .map(|error| Violation {
                    pointer: error.instance_path().to_string(),
                    message: error.to_string(),
                })
                .collect();
            if !violations.is_empty() {
                return Err(Problem::Invalid(violations));
            }
        }
        for fields in &self.unique {
            let Some(key) = unique_key(fields, &body) else { continue };
            let taken = |other: &Stored| {
                Some(other.id.as_str()) != id && unique_key(fields, &other.body).as_ref() == Some(&key)
            };
            if self.documents.values().any(|document| taken(document)) {
                return Err(Problem::conflict(format!(
                    "Another document has the same {}.",
                    fields.join(", ")
                )));
            }
        }
        Ok(body)
    }
}

/// The values of the fields; none where one is absent, and then the document is not in the index.
fn unique_key<'a>(fields: &[String], body: &'a Value) -> Option<Vec<&'a Value>> {
    fields.iter().map(|field| query::body_field(body, field)).collect()
}

fn printed(document: &Stored) -> Document {
    Document {
        id: document.id.clone(),
        revision: document.revision,
        owner: document.owner.clone(),
        created_ms: document.created_ms,
        updated_ms: document.updated_ms,
        body: Json::from(document.body.clone()),
    }
}
