//! Operations on a resource that the host serves itself, asking the plugin before each write.

use std::sync::Arc;

use serde_json::Value;

use crate::capabilities::context::CallContext;
use crate::capabilities::documents::{Body, fields, merge_patch};
use crate::capabilities::model::{Document, Page, Problem, Selection};
use crate::manifest::{Action, FieldPath};
use crate::sandbox::{HookCall, HookReply};

use super::attempt::{Bounds, Step, Stop, parsed};
use super::failure::{Failure, Fault};
use super::fields::{Ready, collection};
use super::operation::{Operation, Reply};

/// What an update makes of a body.
enum Next<'a> {
    Replaced(&'a Arc<Value>),
    Patched(&'a Value),
}

/// The next body of a document: all of it, and what the plugin is shown of it.
struct Update {
    whole: Arc<Value>,
    shown: Arc<Value>,
}

impl Next<'_> {
    /// What the plugin does not see, it is shown only where the client sends it.
    fn of(&self, stored: &Value, hidden: &[FieldPath]) -> Update {
        match self {
            Self::Replaced(body) => {
                let mut whole = Arc::clone(body);
                if !hidden.is_empty() {
                    fields::keep(Arc::make_mut(&mut whole), stored, hidden);
                }
                let shown = Arc::clone(body);
                Update { whole, shown }
            }
            Self::Patched(patch) => {
                let whole = Arc::new(merge_patch(stored.clone(), patch));
                let mut shown = Arc::clone(&whole);
                if !hidden.is_empty() {
                    let unsent = |path: &&FieldPath| fields::at(patch, path).is_none_or(Value::is_null);
                    fields::remove(Arc::make_mut(&mut shown), hidden.iter().filter(unsent));
                }
                Update { whole, shown }
            }
        }
    }
}

/// Reads at once; checks, asks and writes.
pub(super) async fn serve(
    step: &Step,
    ready: Ready<'_>,
    mut context: Box<CallContext>,
    bounds: Bounds,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    match &*ready.operation {
        Operation::List(selection) => {
            let page = list(step, &mut context, selection).await;
            (context, page.map(Reply::Page))
        }
        Operation::Read { id } => {
            let document = current(step, &mut context, id, Action::Read).await;
            (context, document.map(Reply::Document))
        }
        Operation::Create { body } => create(step, context, bounds, body).await,
        Operation::Replace { id, body, .. } => update(step, context, bounds, id, Next::Replaced(body)).await,
        Operation::Patch { id, patch, .. } => update(step, context, bounds, id, Next::Patched(patch)).await,
        Operation::Delete { id, .. } => delete(step, context, bounds, id).await,
    }
}

async fn list(step: &Step, context: &mut CallContext, selection: &Selection) -> Result<Page, Stop> {
    Ok(context
        .whole_documents(&step.resource.name, Action::List)?
        .query(selection)
        .await?)
}

async fn current(step: &Step, context: &mut CallContext, id: &str, action: Action) -> Result<Document, Stop> {
    let found = context.whole_documents(&step.resource.name, action)?.get(id).await?;
    found.ok_or_else(|| Failure::Problem(Problem::NotFound).into())
}

async fn create(
    step: &Step,
    mut context: Box<CallContext>,
    bounds: Bounds,
    body: &Arc<Value>,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    let vetted = match context.vet(body) {
        Ok(vetted) => vetted,
        Err(problem) => return (context, Err(problem.into())),
    };
    let call = HookCall::BeforeCreate {
        collection: &step.resource.name,
        body: vetted.text(),
    };
    let (mut context, answer) = ask(step, context, bounds, call).await;
    let result = async {
        let body = body_of(answer?, &context)?;
        let created = context
            .whole_documents(&step.resource.name, Action::Create)?
            .insert(body)
            .await?;
        Ok(Reply::Created(created))
    };
    let result = result.await;
    (context, result)
}

async fn update(
    step: &Step,
    mut context: Box<CallContext>,
    bounds: Bounds,
    id: &str,
    next: Next<'_>,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    let prepared = async {
        let current = current(step, &mut context, id, Action::Read).await?;
        let hidden = hidden(step, &context)?;
        let Update { whole, shown } = next.of(&parsed(&current)?, &hidden);
        let vetted = match Arc::ptr_eq(&whole, &shown) {
            true => context.vet(&shown)?,
            false => context.vet_update(current.id, (*whole).clone(), &shown)?,
        };
        Ok((as_shown(step, &context, current)?, whole, vetted, hidden))
    };
    let (current, whole, next, hidden) = match prepared.await {
        Ok(prepared) => prepared,
        Err(stop) => return (context, Err(stop)),
    };
    let call = HookCall::BeforeUpdate {
        collection: &step.resource.name,
        current: &current,
        next: next.text(),
    };
    let (mut context, answer) = ask(step, context, bounds, call).await;
    let result = async {
        let mut body = body_of(answer?, &context)?;
        if let Body::New(body) = &mut body {
            fields::keep(body, &whole, &hidden);
        }
        let updated = context
            .whole_documents(&step.resource.name, Action::Update)?
            .replace_whole(id, body)
            .await?;
        Ok(Reply::Document(updated))
    };
    let result = result.await;
    (context, result)
}

/// The fields that the plugin does not see.
fn hidden(step: &Step, context: &CallContext) -> Result<Vec<FieldPath>, Stop> {
    if context.sees_write_only(&step.resource.name) {
        return Ok(Vec::new());
    }
    Ok(collection(step, &context.catalogue)?.write_only().to_vec())
}

/// The document as the plugin sees it.
fn as_shown(step: &Step, context: &CallContext, document: Document) -> Result<Document, Stop> {
    if context.sees_write_only(&step.resource.name) {
        return Ok(document);
    }
    collection(step, &context.catalogue)?
        .without_write_only(document)
        .ok_or_else(|| Failure::Unavailable.into())
}

async fn delete(
    step: &Step,
    mut context: Box<CallContext>,
    bounds: Bounds,
    id: &str,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    let current = current(step, &mut context, id, Action::Read).await;
    let current = match current.and_then(|current| as_shown(step, &context, current)) {
        Ok(current) => current,
        Err(stop) => return (context, Err(stop)),
    };
    let call = HookCall::BeforeDelete {
        collection: &step.resource.name,
        current: &current,
    };
    let (mut context, answer) = ask(step, context, bounds, call).await;
    let result = async {
        answer?;
        context
            .documents(&step.resource.name, Action::Delete)?
            .delete(id)
            .await?;
        Ok(Reply::Deleted)
    };
    let result = result.await;
    (context, result)
}

async fn ask(
    step: &Step,
    context: Box<CallContext>,
    bounds: Bounds,
    call: HookCall<'_>,
) -> (Box<CallContext>, Result<HookReply, Stop>) {
    let finished = step
        .resource
        .plugin
        .guest
        .hooks(step.invocation(context, bounds), call)
        .await;
    step.finish(finished)
}

/// The body that a hook returns. Unless it is the one that the hook was given, `documents` checks it against the schema.
fn body_of(answer: HookReply, context: &CallContext) -> Result<Body, Stop> {
    match answer {
        HookReply::Body(text) => match Body::of(&text, context.vetted.as_ref()) {
            Ok(body) => Ok(body),
            Err(reason) => {
                tracing::warn!(target: "plugin", %reason, "a hook returned a body that is no JSON object");
                Err(Failure::Fault(Fault::Malformed).into())
            }
        },
        HookReply::Allowed => Err(Failure::Fault(Fault::Malformed).into()),
    }
}
