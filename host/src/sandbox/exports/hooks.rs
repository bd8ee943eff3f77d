//! `portcullis:plugin/hooks`: a say before each write.

use async_trait::async_trait;
use wasmtime::component::{Component, ComponentExportIndex, Instance};
use wasmtime::{Result, Store};

use crate::capabilities::model::Problem;

use super::{Export, call, function, functions};
use crate::sandbox::bindings::portcullis::plugin::types as wit;
use crate::sandbox::call::{HookCall, HookReply};
use crate::sandbox::convert::{self, Answer};
use crate::sandbox::store::CallState;

/// The interface, as components export it.
const INTERFACE: &str = "portcullis:plugin/hooks@0.1.0";

/// Where the functions are.
pub(in crate::sandbox) struct Hooks {
    before_create: Option<ComponentExportIndex>,
    before_update: Option<ComponentExportIndex>,
    before_delete: Option<ComponentExportIndex>,
}

type Create<'a> = (&'a str, &'a str);
type Update<'a> = (&'a str, &'a wit::Document, &'a str);
type Delete<'a> = (&'a str, &'a wit::Document);

#[async_trait]
impl Export for Hooks {
    type Call<'a> = HookCall<'a>;
    type Reply = HookReply;

    fn find(component: &Component) -> Option<Self> {
        let names = ["before-create", "before-update", "before-delete"];
        let [before_create, before_update, before_delete] = functions(component, INTERFACE, names)?;
        Some(Self {
            before_create,
            before_update,
            before_delete,
        })
    }

    fn check(&self, store: &mut Store<CallState>, instance: Instance) -> Result<()> {
        function::<Create<'_>, String>(store, instance, &self.before_create)?;
        function::<Update<'_>, String>(store, instance, &self.before_update)?;
        function::<Delete<'_>, ()>(store, instance, &self.before_delete)?;
        Ok(())
    }

    async fn call(
        &self,
        store: &mut Store<CallState>,
        instance: Instance,
        hook: Self::Call<'_>,
        answer: Answer,
    ) -> Result<std::result::Result<HookReply, Problem>> {
        let body = |answer: &mut Answer, body| answer.text(body).map(HookReply::Body);
        match hook {
            HookCall::BeforeCreate {
                collection,
                body: proposed,
            } => {
                call(
                    store,
                    instance,
                    &self.before_create,
                    (collection, proposed),
                    answer,
                    body,
                )
                .await
            }
            HookCall::BeforeUpdate {
                collection,
                current,
                next,
            } => {
                let current = convert::document(current);
                call(
                    store,
                    instance,
                    &self.before_update,
                    (collection, &current, next),
                    answer,
                    body,
                )
                .await
            }
            HookCall::BeforeDelete { collection, current } => {
                let current = convert::document(current);
                let allowed = |_: &mut Answer, ()| Ok(HookReply::Allowed);
                call(
                    store,
                    instance,
                    &self.before_delete,
                    (collection, &current),
                    answer,
                    allowed,
                )
                .await
            }
        }
    }
}
