//! What clients may not set and may not see: checked before a call is served, taken away from what it answers.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::capabilities::catalogue::{CatalogueState, Collection};
use crate::capabilities::context::CallContext;
use crate::capabilities::documents::{fields, merge_patch, refuse_write_only};
use crate::capabilities::json;
use crate::capabilities::model::{Document, Problem, Violation};
use crate::manifest::Action;

use super::attempt::{Step, Stop, parsed};
use super::failure::Failure;
use super::operation::{Operation, Reply};

/// An operation as it is served.
pub(super) struct Ready<'s> {
    pub(super) operation: Cow<'s, Operation>,
    /// The document that a client replaces or patches, where its schema marks fields and the caller may read it.
    pub(super) current: Option<Current>,
}

/// A document that is to be written, as it is now.
pub(super) struct Current {
    pub(super) id: Uuid,
    pub(super) body: Value,
}

/// Refuses what a client may not ask for or set, and has what it can't set stay as it is.
pub(super) async fn ready<'s>(step: &'s Step, context: &mut CallContext) -> Result<Ready<'s>, Stop> {
    let collection = collection(step, &context.catalogue)?;
    let operation = &step.call.operation;
    let mut ready = Ready {
        operation: Cow::Borrowed(operation),
        current: None,
    };
    if collection.read_only().is_empty() && collection.write_only().is_empty() {
        return Ok(ready);
    }
    match operation {
        Operation::List(selection) => refuse_write_only(&collection, selection)?,
        Operation::Create { body } if !step.permit.imports() => {
            let set = |path: &&Vec<String>| fields::at(body, path).is_some();
            refuse(collection.read_only().iter().filter(set))?;
        }
        Operation::Replace { id, .. } | Operation::Patch { id, .. } => {
            let documents = context.whole_documents(&step.resource.name, Action::Read);
            if let Some(document) = documents?.get(id).await? {
                let body = parsed(&document)?;
                ready.operation = Cow::Owned(with_read_only(&collection, operation, &body)?);
                ready.current = Some(Current { id: document.id, body });
            } else {
                ready.operation = Cow::Owned(without_read_only(&collection, operation));
            }
        }
        Operation::Create { .. } | Operation::Read { .. } | Operation::Delete { .. } => {}
    }
    Ok(ready)
}

/// The operation with what can't be set as it is; refused where the client wants it to be something else. It may send a
/// document back as it was read.
fn with_read_only(collection: &Collection, operation: &Operation, stored: &Value) -> Result<Operation, Stop> {
    let read_only = collection.read_only();
    let mut operation = operation.clone();
    let next = match &mut operation {
        Operation::Replace { body, .. } => {
            fields::keep(Arc::make_mut(body), stored, read_only);
            Cow::Borrowed(&**body)
        }
        Operation::Patch { patch, .. } => {
            let next = merge_patch(stored.clone(), patch);
            fields::remove(patch, read_only);
            Cow::Owned(next)
        }
        _ => return Ok(operation),
    };
    let changed = |path: &&Vec<String>| fields::at(&next, path) != fields::at(stored, path);
    refuse(read_only.iter().filter(changed))?;
    Ok(operation)
}

/// There is no such document for the caller; a plugin that makes one nevertheless gets nothing from the client to set.
fn without_read_only(collection: &Collection, operation: &Operation) -> Operation {
    let mut operation = operation.clone();
    match &mut operation {
        Operation::Replace { body, .. } => fields::remove(Arc::make_mut(body), collection.read_only()),
        Operation::Patch { patch, .. } => fields::remove(patch, collection.read_only()),
        _ => {}
    }
    operation
}

fn refuse<'p>(paths: impl Iterator<Item = &'p Vec<String>>) -> Result<(), Stop> {
    let violations: Vec<Violation> = paths
        .map(|path| Violation {
            pointer: json::pointer(path.iter().map(String::as_str)),
            message: "this field is read-only".to_owned(),
        })
        .collect();
    match violations.is_empty() {
        true => Ok(()),
        false => Err(Problem::Invalid(violations).into()),
    }
}

/// The answer as the client sees it.
pub(super) fn shown(step: &Step, catalogue: &CatalogueState, reply: Reply) -> Result<Reply, Failure> {
    let collection = collection(step, catalogue)?;
    if collection.write_only().is_empty() {
        return Ok(reply);
    }
    let shown = |document: Document| {
        let id = document.id;
        collection.without_write_only(document).ok_or_else(|| {
            tracing::error!(target: "dispatch", %id, "a document to answer with is not JSON: run `portcullis verify`");
            Failure::Unavailable
        })
    };
    Ok(match reply {
        Reply::Page(mut page) => {
            page.items = page.items.into_iter().map(shown).collect::<Result<_, _>>()?;
            Reply::Page(page)
        }
        Reply::Document(document) => Reply::Document(shown(document)?),
        Reply::Created(document) => Reply::Created(shown(document)?),
        Reply::Deleted => Reply::Deleted,
    })
}

/// The collection of the resource that is called.
pub(super) fn collection(step: &Step, catalogue: &CatalogueState) -> Result<Arc<Collection>, Failure> {
    let collection = catalogue.collection(&step.resource.name);
    collection.cloned().ok_or(Failure::Removed)
}
