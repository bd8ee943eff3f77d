//! Operations on a resource whose plugin serves all of them.

use std::sync::Arc;

use crate::capabilities::context::CallContext;
use crate::capabilities::documents::Vetted;
use crate::capabilities::json;
use crate::capabilities::model::{Document, Problem};
use crate::sandbox::{CrudCall, CrudReply};

use super::attempt::{Bounds, Step, Stop};
use super::failure::{Failure, Fault};
use super::fields::{Current, Ready};
use super::operation::{Operation, Reply};
use super::reply;

/// Checks the body, calls the plugin, checks what it returns.
pub(super) async fn serve(
    step: &Step,
    ready: Ready<'_>,
    mut context: Box<CallContext>,
    bounds: Bounds,
) -> (Box<CallContext>, Result<Reply, Stop>) {
    let Ready { operation, current } = ready;
    let body = match Body::of(&operation, current.as_ref(), &mut context) {
        Ok(body) => body,
        Err(problem) => return (context, Err(problem.into())),
    };
    let (collection, text) = (&*step.resource.name, body.text());
    let call = match &*operation {
        Operation::List(selection) => CrudCall::Query { collection, selection },
        Operation::Read { id } => CrudCall::Read { collection, id },
        Operation::Create { .. } => CrudCall::Create { collection, body: text },
        Operation::Replace { id, .. } => CrudCall::Replace {
            collection,
            id,
            body: text,
        },
        Operation::Patch { id, .. } => CrudCall::Patch {
            collection,
            id,
            merge_patch: text,
        },
        Operation::Delete { id, .. } => CrudCall::Remove { collection, id },
    };
    let finished = step
        .resource
        .plugin
        .guest
        .crud(step.invocation(context, bounds), call)
        .await;
    let (context, result) = step.finish(finished);
    let result = result.and_then(|answer| checked(step, answer, &context.handed));
    (context, result)
}

/// What a plugin is called with.
enum Body {
    /// It never sees a whole body that breaks its schema.
    Whole(Arc<Vetted>),
    /// A patch can be checked only once it is applied, which `documents` does.
    Patch(String),
    None,
}

impl Body {
    fn of(operation: &Operation, current: Option<&Current>, context: &mut CallContext) -> Result<Self, Problem> {
        Ok(match (operation, current) {
            (Operation::Replace { body, .. }, Some(current)) => {
                Self::Whole(context.vet_replacement(current.id, &current.body, body)?)
            }
            (Operation::Create { body } | Operation::Replace { body, .. }, _) => Self::Whole(context.vet(body)?),
            (Operation::Patch { patch, .. }, _) => Self::Patch(json::print(patch)),
            (Operation::List(_) | Operation::Read { .. } | Operation::Delete { .. }, _) => Self::None,
        })
    }

    fn text(&self) -> &str {
        match self {
            Self::Whole(vetted) => vetted.text(),
            Self::Patch(text) => text,
            Self::None => "",
        }
    }
}

/// What a plugin returns is hostile until checked.
fn checked(step: &Step, answer: CrudReply, handed: &[Document]) -> Result<Reply, Stop> {
    let checked = match (answer, &step.call.operation) {
        (CrudReply::Page(page), Operation::List(selection)) => reply::page(page, selection, handed).map(Reply::Page),
        (CrudReply::Document(document), Operation::Create { .. }) => {
            reply::document(document, handed).map(Reply::Created)
        }
        (CrudReply::Document(document), _) => reply::document(document, handed).map(Reply::Document),
        (CrudReply::Removed, _) => Ok(Reply::Deleted),
        (CrudReply::Page(_), _) => Err("a page where a document belongs".to_owned()),
    };
    checked.map_err(|reason| {
        let plugin = &step.resource.plugin.manifest.name;
        tracing::warn!(target: "plugin", %plugin, request = %step.call.request.id, %reason, "the answer makes no sense");
        Failure::Fault(Fault::Malformed).into()
    })
}
