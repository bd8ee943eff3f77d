//! What one attempt of a call works with: its transaction, who calls, and what it may reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::catalogue::{CatalogueState, Collection};
use super::documents::{self, Cursors, Documents, Vetted, fields};
use super::keyvalue::KeyValue;
use super::log::{Level, LogBudget};
use super::model::{Document, Problem};
pub use super::request::RequestInfo;
use crate::manifest::{Action, CollectionWish};
use crate::policy::grants::{Power, Remedy, Standing};
use crate::policy::{Caller, Permit, Prepared, Refusal, Rules, Scope, authorize_again, authorize_own};
use crate::storage::engine::Quota;
use crate::storage::transaction::Transaction;

/// What the calls of one version of a plugin may reach.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// By the collection's name.
    pub collections: BTreeMap<String, Reachable>,
}

/// What may be done with one collection.
#[derive(Clone, Debug)]
pub struct Reachable {
    /// The actions, and as whom.
    pub power: Power,
    /// What decides about the collection's resource.
    pub rules: Rules,
    /// The limit of the plugin whose collection it is.
    pub quota: Quota,
}

/// What stays the same for all calls of one version of a plugin.
#[derive(Clone, Debug, Default)]
pub struct PluginContext {
    /// Its name.
    pub name: String,
    /// What the operator set for it.
    pub settings: BTreeMap<String, String>,
    /// The limit of what it stores, where there is one.
    pub quota: Option<Quota>,
}

/// What one attempt of a call works with; it goes into the sandbox and comes back.
pub struct CallContext {
    /// The call's view of the store.
    pub transaction: Transaction,
    /// The catalogue that the attempt began with.
    pub catalogue: Arc<CatalogueState>,
    /// What seals cursors.
    pub cursors: Arc<Cursors>,
    /// Who calls.
    pub caller: Caller,
    /// The caller as policy knows it.
    pub prepared: Prepared,
    /// The resource that the permit is for.
    pub resource: Arc<str>,
    /// What the permit lets do there.
    pub action: Action,
    /// Which of its documents the permit covers.
    pub scope: Scope,
    /// What the plugin may reach.
    pub reach: Arc<Reach>,
    /// The request.
    pub request: Arc<RequestInfo>,
    /// The plugin.
    pub plugin: Arc<PluginContext>,
    /// What it may still write to its log.
    pub log: LogBudget,
    /// The body that the plugin is called with, where it is called with a whole one.
    pub vetted: Option<Arc<Vetted>>,
    /// The documents that the plugin was given last: what it returns is most often just that.
    pub handed: Vec<Document>,
    /// The last refusal that WIT has no case for: said to the client where the plugin passes the problem on.
    pub refusal: Option<documents::Error>,
}

impl CallContext {
    /// The context of one attempt.
    pub fn new(
        transaction: Transaction,
        (catalogue, cursors): (Arc<CatalogueState>, Arc<Cursors>),
        permit: &Permit,
        (plugin, reach): (Arc<PluginContext>, Arc<Reach>),
        request: Arc<RequestInfo>,
        log: LogBudget,
    ) -> Self {
        Self {
            transaction,
            catalogue,
            cursors,
            caller: permit.caller().clone(),
            prepared: permit.prepared().clone(),
            resource: Arc::clone(permit.resource()),
            action: permit.action(),
            scope: permit.scope().clone(),
            reach,
            request,
            plugin,
            log,
            vetted: None,
            handed: Vec::new(),
            refusal: None,
        }
    }

    /// The time of the call; it does not move.
    pub fn now_ms(&self) -> u64 {
        self.transaction.now_ms()
    }

    /// Writes a line into the plugin's log.
    pub fn log(&mut self, level: Level, topic: &str, message: &str) {
        self.log.write(&self.plugin, &self.request, level, topic, message);
    }

    /// Remembers what the plugin is given.
    pub fn hand_out<'d>(&mut self, documents: impl IntoIterator<Item = &'d Document>) {
        self.handed.clear();
        self.handed.extend(documents.into_iter().cloned());
    }

    /// Checks a whole body against the schema of the request's resource, before the plugin is called with it.
    pub fn vet(&mut self, body: &Arc<Value>) -> Result<Arc<Vetted>, Problem> {
        let vetted = Vetted::new(known(&self.catalogue, &self.resource)?, body)?;
        Ok(self.remember(vetted))
    }

    /// Checks the next body of the document `id` of the request's resource, of which the plugin is shown only some.
    pub fn vet_update(&mut self, id: Uuid, whole: Value, shown: &Arc<Value>) -> Result<Arc<Vetted>, Problem> {
        let vetted = Vetted::update(known(&self.catalogue, &self.resource)?, id, whole, shown)?;
        Ok(self.remember(vetted))
    }

    /// Checks the body that a client replaces that of the document `id` with, which holds `stored`: what it does not see stays.
    pub fn vet_replacement(&mut self, id: Uuid, stored: &Value, body: &Arc<Value>) -> Result<Arc<Vetted>, Problem> {
        let mut whole = (**body).clone();
        fields::keep(&mut whole, stored, known(&self.catalogue, &self.resource)?.write_only());
        self.vet_update(id, whole, body)
    }

    fn remember(&mut self, vetted: Vetted) -> Arc<Vetted> {
        let vetted = Arc::new(vetted);
        self.vetted = Some(Arc::clone(&vetted));
        vetted
    }

    /// Whether the plugin sees the fields of a collection that are `writeOnly`.
    pub fn sees_write_only(&self, collection: &str) -> bool {
        let reachable = self.reach.collections.get(collection);
        reachable.is_some_and(|reachable| reachable.power.write_only)
    }

    /// The documents of a collection, for one action, as the host needs them: with the fields that are hidden from plugins.
    pub fn whole_documents(&mut self, collection: &str, action: Action) -> Result<Documents<'_>, documents::Error> {
        let documents = self.documents(collection, action)?;
        Ok(Documents {
            write_only: true,
            ..documents
        })
    }

    /// The documents of a collection, for one action, as the plugin may see them.
    pub fn documents(&mut self, collection: &str, action: Action) -> Result<Documents<'_>, documents::Error> {
        let reachable = self.reach.collections.get(collection);
        let Some(reachable) = reachable.filter(|reachable| reachable.power.actions.contains(&action)) else {
            // The operator's line is for the log: clients are not told what the operator grants.
            let denial = self.denial(collection, action);
            self.log
                .write(&self.plugin, &self.request, Level::Warn, "denied", &denial);
            return Err(Problem::Forbidden(format!("the plugin may not {action} in `{collection}`")).into());
        };
        let known = known(&self.catalogue, collection)?;
        let (readable, writable) = self.scopes(collection, reachable, action)?;
        Ok(Documents {
            transaction: &mut self.transaction,
            catalogue: &self.catalogue,
            collection: known,
            cursors: &self.cursors,
            caller: &self.caller,
            readable,
            writable,
            write_only: reachable.power.write_only,
            quota: &reachable.quota,
        })
    }

    /// The plugin's buckets.
    pub fn keyvalue(&mut self) -> KeyValue<'_> {
        KeyValue {
            transaction: &mut self.transaction,
            plugin: &self.plugin,
            caller: &self.caller,
        }
    }

    /// Which documents may be read, and which may be written.
    fn scopes(
        &self,
        collection: &str,
        reachable: &Reachable,
        action: Action,
    ) -> Result<(Option<Scope>, Scope), Problem> {
        let scope = |action| match reachable.power.standing {
            Standing::AsSystem => Ok(Scope::All),
            Standing::Own => self.own_scope(collection, action, &reachable.rules),
            Standing::AsCaller => authorize_again(&self.caller, &self.prepared, (action, collection), &reachable.rules),
        };
        let refused = |_| Problem::Forbidden(format!("the caller may not {action} there"));
        let written = scope(action).map_err(refused)?;
        let read = match is_read(action) {
            true => Some(written.clone()),
            false => scope(Action::Read).ok(),
        };
        Ok((read, written))
    }

    /// On which documents of its own the plugin may act: on those that the permit covers, where it is for this resource, and
    /// elsewhere on all; on none of them where the operator's policies forbid to the caller what is really done.
    fn own_scope(&self, collection: &str, action: Action, rules: &Rules) -> Result<Scope, Refusal> {
        let is_resource = collection == &*self.resource;
        if is_resource && action == self.action {
            return Ok(self.scope.clone());
        }
        let asked = (action, collection);
        let reads_for_permit = is_resource && is_read(action);
        // What a program may only write it may have read for that.
        let limits = self.caller.limits().filter(|_| !reads_for_permit);
        let unforbidden = authorize_own(&self.caller, &self.prepared, asked, limits, rules)?;
        if !is_resource {
            return Ok(unforbidden);
        }
        let under_permit = self.scope.clone().and(unforbidden);
        if !reads_for_permit {
            return Ok(under_permit);
        }
        // What may be written under the permit may be read as well, and so may what the caller may read.
        let as_caller = authorize_again(&self.caller, &self.prepared, asked, rules);
        Ok(match as_caller {
            Ok(readable) => readable.or(under_permit),
            Err(_) => under_permit,
        })
    }

    /// For the operator and the plugin's author: the line that would allow it.
    fn denial(&self, collection: &str, action: Action) -> String {
        let granted = self.reach.collections.get(collection);
        let mut wish = CollectionWish {
            actions: granted
                .map(|reachable| reachable.power.actions.clone())
                .unwrap_or_default(),
            as_system: granted.is_some_and(|reachable| reachable.power.standing == Standing::AsSystem),
        };
        wish.actions.insert(action);
        let Remedy { table, line } = Remedy::new(&self.plugin.name, collection, &wish);
        format!(
            "the plugin `{}` may not {action} in `{collection}`: its manifest must want it under `[wants]`, and \
             portcullis.toml grant it, under `{table}`: {line}",
            self.plugin.name
        )
    }
}

fn known<'c>(catalogue: &'c CatalogueState, collection: &str) -> Result<&'c Arc<Collection>, Problem> {
    catalogue.collection(collection).ok_or_else(|| {
        Problem::Unavailable(format!(
            "the collection `{collection}` does not exist: its plugin is not installed"
        ))
    })
}

fn is_read(action: Action) -> bool {
    matches!(action, Action::List | Action::Read)
}

#[cfg(test)]
#[path = "context_own_tests.rs"]
mod own_tests;
#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
