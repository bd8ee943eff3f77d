//! `portcullis:plugin/documents`: documents in the call's transaction, under the call's scope.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::Result as Trapping;

use crate::capabilities::context::CallContext;
use crate::capabilities::documents::{Body, Error, Vetted};
use crate::capabilities::json::{self, JsonError};
use crate::capabilities::model::{self, Violation};
use crate::manifest::Action;
use crate::sandbox::bindings::portcullis::plugin::documents::{Document, Host, Json, Page, Problem, Selection};
use crate::sandbox::convert;
use crate::sandbox::store::CallState;
use crate::sandbox::trap::Interrupt;

impl Host for CallState {
    async fn get(&mut self, collection: String, id: String) -> Trapping<Result<Option<Document>, Problem>> {
        let (context, _) = self.host_call()?;
        let found = async { context.documents(&collection, Action::Read)?.get(&id).await }.await;
        if let Ok(found) = &found {
            context.hand_out(found);
        }
        answer(context, found.map(|found| found.as_ref().map(convert::document)))
    }

    async fn get_many(
        &mut self,
        collection: String,
        ids: Vec<String>,
    ) -> Trapping<Result<Vec<Option<Document>>, Problem>> {
        let (context, _) = self.host_call()?;
        let found = async { context.documents(&collection, Action::Read)?.get_many(&ids).await }.await;
        let converted = found.map(|found| {
            found
                .iter()
                .map(|found| found.as_ref().map(convert::document))
                .collect()
        });
        answer(context, converted)
    }

    async fn query(&mut self, collection: String, selection: Selection) -> Trapping<Result<Page, Problem>> {
        let (context, _) = self.host_call()?;
        let found = async {
            let selection = convert::selection_of(selection).map_err(|message| Error::BadSelection {
                code: "malformed_clause",
                message,
            })?;
            context.documents(&collection, Action::List)?.query(&selection).await
        };
        let found = found.await;
        if let Ok(page) = &found {
            context.hand_out(&page.items);
        }
        answer(context, found.map(|page| convert::page(&page)))
    }

    async fn insert(&mut self, collection: String, body: Json) -> Trapping<Result<Document, Problem>> {
        let (context, _) = self.host_call()?;
        let vetted = context.vetted.clone();
        let result = async {
            let mut documents = context.documents(&collection, Action::Create)?;
            documents.insert(whole(&body, vetted.as_ref())?).await
        }
        .await;
        stored(context, result)
    }

    async fn replace(&mut self, collection: String, id: String, body: Json) -> Trapping<Result<Document, Problem>> {
        let (context, _) = self.host_call()?;
        let vetted = context.vetted.clone();
        let result = async {
            let mut documents = context.documents(&collection, Action::Update)?;
            documents.replace(&id, whole(&body, vetted.as_ref())?).await
        }
        .await;
        stored(context, result)
    }

    async fn patch(&mut self, collection: String, id: String, patch: Json) -> Trapping<Result<Document, Problem>> {
        let (context, _) = self.host_call()?;
        let result = async {
            context
                .documents(&collection, Action::Update)?
                .patch(&id, object(&patch)?)
                .await
        }
        .await;
        stored(context, result)
    }

    async fn delete(&mut self, collection: String, id: String) -> Trapping<Result<(), Problem>> {
        let (context, _) = self.host_call()?;
        let removed = async { context.documents(&collection, Action::Delete)?.delete(&id).await }.await;
        answer(context, removed)
    }
}

/// A document that the guest has stored, as it is now.
fn stored(context: &mut CallContext, result: Result<model::Document, Error>) -> Trapping<Result<Document, Problem>> {
    if let Ok(document) = &result {
        context.hand_out([document]);
    }
    answer(context, result.map(|document| convert::document(&document)))
}

/// What the guest hears. A refusal that `problem` has no case for is kept for the host, which says it to the client
/// where the guest passes it on. A transaction that has ended ends the guest.
fn answer<T>(context: &mut CallContext, result: Result<T, Error>) -> Trapping<Result<T, Problem>> {
    let refusal = match result {
        Ok(value) => return Ok(Ok(value)),
        Err(Error::Problem(problem)) => return Ok(Err(convert::problem(problem))),
        Err(Error::Ended(ended)) => return Err(Interrupt::raise(ended)),
        Err(refusal) => refusal,
    };
    let text = refusal.to_string();
    context.refusal = Some(refusal);
    Ok(Err(Problem::Other(text)))
}

/// The body that the guest means.
fn whole(text: &str, vetted: Option<&Arc<Vetted>>) -> Result<Body, Error> {
    Body::of(text, vetted).map_err(not_an_object)
}

/// The JSON object that the guest means.
fn object(text: &str) -> Result<Value, Error> {
    json::parse_object(text.as_bytes())
        .map(Value::Object)
        .map_err(not_an_object)
}

fn not_an_object(error: JsonError) -> Error {
    Error::Problem(model::Problem::Invalid(vec![Violation {
        pointer: String::new(),
        message: error.to_string(),
    }]))
}
