//! Operations on a resource that the host serves itself, asking the plugin before each write.

use std::sync::Arc;

use serde_json::Value;

use crate::capabilities::context::CallContext;
use crate::capabilities::documents::{Body, merge_patch};
use crate::capabilities::json;
use crate::capabilities::model::{Document, Page, Problem, Selection};
use crate::manifest::Action;
use crate::sandbox::{HookCall, HookReply};

use super::attempt::{Bounds, Step, Stop};
use super::failure::{Failure, Fault};
use super::operation::{Operation, Reply};

/// What an update makes of a body.
enum Next<'a> {
    Whole(&'a Arc<Value>),
    Patched(&'a Value),
}

impl Next<'_> {
    fn of(&self, current: &Document) -> Result<Arc<Value>, Stop> {
        match self {
            Self::Whole(body) => Ok(Arc::clone(body)),
            Self::Patched(patch) => Ok(Arc::new(merge_patch(parsed(current)?, patch))),
        }
    }
}

/// Reads at once; checks, asks and writes.
pub(super) async fn serve(
    step: &Step,
    mut context: Box<CallContext>,
    bounds: Bounds,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    match &step.call.operation {
        Operation::List(selection) => {
            let page = list(step, &mut context, selection).await;
            (context, page.map(Reply::Page))
        }
        Operation::Read { id } => {
            let document = current(step, &mut context, id, Action::Read).await;
            (context, document.map(Reply::Document))
        }
        Operation::Create { body } => create(step, context, bounds, body).await,
        Operation::Replace { id, body, .. } => update(step, context, bounds, id, Next::Whole(body)).await,
        Operation::Patch { id, patch, .. } => update(step, context, bounds, id, Next::Patched(patch)).await,
        Operation::Delete { id, .. } => delete(step, context, bounds, id).await,
    }
}

async fn list(step: &Step, context: &mut CallContext, selection: &Selection) -> Result<Page, Stop> {
    Ok(context
        .documents(&step.resource.name, Action::List)?
        .query(selection)
        .await?)
}

async fn current(step: &Step, context: &mut CallContext, id: &str, action: Action) -> Result<Document, Stop> {
    let found = context.documents(&step.resource.name, action)?.get(id).await?;
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
            .documents(&step.resource.name, Action::Create)?
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
        let next = next.of(&current)?;
        Ok((current, context.vet(&next)?))
    };
    let (current, next) = match prepared.await {
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
        let body = body_of(answer?, &context)?;
        let updated = context
            .documents(&step.resource.name, Action::Update)?
            .replace(id, body)
            .await?;
        Ok(Reply::Document(updated))
    };
    let result = result.await;
    (context, result)
}

async fn delete(
    step: &Step,
    mut context: Box<CallContext>,
    bounds: Bounds,
    id: &str,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    let current = match current(step, &mut context, id, Action::Read).await {
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

/// The stored body, which the host itself wrote.
fn parsed(document: &Document) -> Result<Value, Stop> {
    json::parse(&document.body).map_err(|error| {
        tracing::error!(target: "dispatch", id = %document.id, %error, "a stored document is not JSON: run `portcullis verify`");
        Failure::Unavailable.into()
    })
}
