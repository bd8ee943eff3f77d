//! What one call may act on: its transaction, who is calling, and for which plugin.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::Caller;
use crate::storage::transaction::Transaction;

use super::log::{Level, LogBudget};
use super::request::RequestInfo;

/// What a plugin is, as far as its calls need to know it. One for each version of a plugin.
#[derive(Clone, Debug, Default)]
pub struct PluginContext {
    /// Its name.
    pub name: String,
    /// The settings that the operator gives it.
    pub settings: BTreeMap<String, String>,
}

/// What one attempt of a call may act on. It goes into the sandbox with the call, and comes back from it.
pub struct CallContext {
    /// The call's view of the store.
    pub transaction: Transaction,
    /// Who is calling.
    pub caller: Caller,
    /// What the plugin may know about the request.
    pub request: Arc<RequestInfo>,
    /// The plugin that is called.
    pub plugin: Arc<PluginContext>,
    /// What it may still log.
    pub log: LogBudget,
}

impl CallContext {
    /// The time of the call, milliseconds since the Unix epoch; it does not move.
    pub fn now_ms(&self) -> u64 {
        self.transaction.now_ms()
    }

    /// Writes a line into the plugin's log.
    pub fn log(&mut self, level: Level, topic: &str, message: &str) {
        self.log.write(&self.plugin, &self.request, level, topic, message);
    }
}
