//! `portcullis:plugin/crud`: a resource whose every operation the plugin serves.

use async_trait::async_trait;
use wasmtime::component::{Component, ComponentExportIndex, Instance};
use wasmtime::{Result, Store};

use crate::capabilities::model::Problem;

use super::{Export, call, function, functions};
use crate::sandbox::bindings::portcullis::plugin::types as wit;
use crate::sandbox::call::{CrudCall, CrudReply};
use crate::sandbox::convert::{self, Answer};
use crate::sandbox::store::CallState;

/// The interface, as components export it.
const INTERFACE: &str = "portcullis:plugin/crud@0.1.0";

/// Where the functions are.
pub(in crate::sandbox) struct Crud {
    query: Option<ComponentExportIndex>,
    read: Option<ComponentExportIndex>,
    create: Option<ComponentExportIndex>,
    replace: Option<ComponentExportIndex>,
    patch: Option<ComponentExportIndex>,
    remove: Option<ComponentExportIndex>,
}

/// The parameters: a collection, then up to two texts.
type One<'a> = (&'a str, &'a str);
type Two<'a> = (&'a str, &'a str, &'a str);
type Select<'a> = (&'a str, &'a wit::Selection);

#[async_trait]
impl Export for Crud {
    type Call<'a> = CrudCall<'a>;
    type Reply = CrudReply;

    fn find(component: &Component) -> Option<Self> {
        let names = ["query", "read", "create", "replace", "patch", "remove"];
        let [query, read, create, replace, patch, remove] = functions(component, INTERFACE, names)?;
        Some(Self {
            query,
            read,
            create,
            replace,
            patch,
            remove,
        })
    }

    fn check(&self, store: &mut Store<CallState>, instance: Instance) -> Result<()> {
        function::<Select<'_>, wit::Page>(store, instance, &self.query)?;
        function::<One<'_>, wit::Document>(store, instance, &self.read)?;
        function::<One<'_>, wit::Document>(store, instance, &self.create)?;
        function::<Two<'_>, wit::Document>(store, instance, &self.replace)?;
        function::<Two<'_>, wit::Document>(store, instance, &self.patch)?;
        function::<One<'_>, ()>(store, instance, &self.remove)?;
        Ok(())
    }

    async fn call(
        &self,
        store: &mut Store<CallState>,
        instance: Instance,
        crud: Self::Call<'_>,
        answer: Answer,
    ) -> Result<std::result::Result<CrudReply, Problem>> {
        let document = |answer: &mut Answer, document| answer.document(document).map(CrudReply::Document);
        match crud {
            CrudCall::Query { collection, selection } => {
                let selection = convert::selection(selection);
                let page = |answer: &mut Answer, page| answer.page(page).map(CrudReply::Page);
                call(store, instance, &self.query, (collection, &selection), answer, page).await
            }
            CrudCall::Read { collection, id } => {
                call(store, instance, &self.read, (collection, id), answer, document).await
            }
            CrudCall::Create { collection, body } => {
                call(store, instance, &self.create, (collection, body), answer, document).await
            }
            CrudCall::Replace { collection, id, body } => {
                call(store, instance, &self.replace, (collection, id, body), answer, document).await
            }
            CrudCall::Patch {
                collection,
                id,
                merge_patch,
            } => {
                call(
                    store,
                    instance,
                    &self.patch,
                    (collection, id, merge_patch),
                    answer,
                    document,
                )
                .await
            }
            CrudCall::Remove { collection, id } => {
                let removed = |_: &mut Answer, ()| Ok(CrudReply::Removed);
                call(store, instance, &self.remove, (collection, id), answer, removed).await
            }
        }
    }
}
