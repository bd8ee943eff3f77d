//! What is installed: one immutable picture, swapped whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::capabilities::catalogue::Collection;
use crate::capabilities::context::{PluginContext, Reach};
use crate::manifest::{Action, Limits, Manifest};
use crate::policy::Rules;
use crate::policy::grants::Denial;
use crate::sandbox::{CallLimits, Guest};

use super::admission::Gate;

/// What is installed.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) plugins: BTreeMap<String, Arc<Plugin>>,
    pub(super) resources: HashMap<String, Arc<Resource>>,
    /// The request headers that plugins may see, in lower case.
    pub(super) request_headers: Arc<[String]>,
}

/// An installed plugin, with all that a call of it needs.
pub struct Plugin {
    pub(super) manifest: Arc<Manifest>,
    pub(super) guest: Guest,
    pub(super) gate: Arc<Gate>,
    pub(super) reach: Arc<Reach>,
    pub(super) context: Arc<PluginContext>,
    pub(super) limits: Limits,
    pub(super) call_limits: Arc<CallLimits>,
    pub(super) deadline: Duration,
    pub(super) denied: Vec<Denial>,
}

impl Plugin {
    /// What the plugin asked for.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its code.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Its limits, capped by the operator's.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it asked for in vain, with the lines that would allow it.
    pub fn denied(&self) -> &[Denial] {
        &self.denied
    }
}

/// Who serves the operations on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The plugin's export `crud` serves all of them.
    Crud,
    /// The host serves them; the plugin's export `hooks` is asked before each write.
    Hooks,
}

/// A resource under `/api/`.
pub struct Resource {
    /// Its name, which is that of its collection.
    pub name: Arc<str>,
    /// Who may do what.
    pub rules: Rules,
    /// Who serves it.
    pub kind: Kind,
    /// Its collection, as it was when the resource was swapped in: which fields its documents have.
    pub collection: Arc<Collection>,
    pub(super) plugin: Arc<Plugin>,
}

impl Resource {
    /// The plugin that declared it.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Whether the host serves the action alone, without a sandbox.
    pub(super) fn is_served_by_host(&self, action: Action) -> bool {
        self.kind == Kind::Hooks && matches!(action, Action::List | Action::Read)
    }
}
