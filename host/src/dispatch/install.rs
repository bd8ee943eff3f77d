//! From a manifest and a component to a plugin that serves: loaded, declared, swapped in. What runs goes on meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::capabilities::catalogue::CatalogueError;
use crate::capabilities::context::{PluginContext, Reach, Reachable};
use crate::config::{Config, Grant};
use crate::manifest::{Diagnostics, Limits, Manifest, Resource};
use crate::policy::Rules;
use crate::policy::cedar::Policies;
use crate::policy::grants::{Powers, crud_powers};
use crate::sandbox::{CallLimits, Exports, Guest, InstallError};
use crate::storage::engine::Quota;
use crate::storage::keyspace;

use super::Dispatch;
use super::admission::Gate;
use super::registry::{self, Kind, Plugin, Registry};

/// What was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The plugin.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The resources that it serves.
    pub resources: Vec<String>,
}

/// Why a plugin was not installed; what ran before still runs.
#[derive(Debug, thiserror::Error)]
pub enum InstallFailure {
    /// The component can't be used.
    #[error("the plugin `{plugin}`: {reason}")]
    Component {
        /// Whose component it is.
        plugin: String,
        /// What is wrong with it.
        reason: InstallError,
    },
    /// Another plugin serves a resource of this name.
    #[error(
        "the plugin `{plugin}`: the resource `{resource}` is served by `{other}`; choose another name in plugin.toml"
    )]
    Taken {
        /// The plugin that was to be installed.
        plugin: String,
        /// The resource.
        resource: String,
        /// The plugin that serves it.
        other: String,
    },
    /// Its collections can't be had.
    #[error("the plugin `{plugin}`: {reason}")]
    Catalogue {
        /// Whose collections they are.
        plugin: String,
        /// What is wrong.
        reason: CatalogueError,
    },
    /// The operator's policies don't fit its resources.
    #[error("the plugin `{plugin}`: the policies do not fit its resources:\n{reason}")]
    Policies {
        /// The plugin that was to be installed.
        plugin: String,
        /// What is wrong with them.
        reason: Diagnostics,
    },
}

/// What is, or is to be, installed, by name.
type Sources = BTreeMap<String, (Arc<Manifest>, Guest)>;

/// What installations and reloads work on, one after the other.
pub(super) struct Changing {
    pub(super) config: Arc<Config>,
    /// The plugins that can't be served, for their resources.
    pub(super) unserved: BTreeMap<String, Arc<Manifest>>,
}

impl Changing {
    /// The manifests whose resources policies may name.
    fn known(&self, sources: &Sources) -> Vec<Arc<Manifest>> {
        let served = sources.values().map(|(manifest, _)| manifest);
        let unserved = self.unserved.values();
        let unserved = unserved.filter(|manifest| !sources.contains_key(&manifest.name));
        served.chain(unserved).cloned().collect()
    }
}

/// Loads the policies of a configuration. Parsing and validating them is work for a thread of its own.
async fn load(config: &Arc<Config>, manifests: Vec<Arc<Manifest>>) -> Result<Policies, Diagnostics> {
    if config.policy.files.is_empty() {
        return Ok(Policies::default());
    }
    let config = Arc::clone(config);
    let loading = move || {
        let resources = manifests.iter().flat_map(|manifest| &manifest.resources);
        Policies::load(&config.policy.files, resources)
    };
    match tokio::task::spawn_blocking(loading).await {
        Ok(loaded) => loaded,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn rules(resource: &Resource, policies: &Policies) -> Rules {
    Rules::new(resource.access.clone(), policies.of(&resource.name).cloned())
}

impl Dispatch {
    /// Makes a plugin ready and swaps it in, in the place of its other version if there is one. Calls that are under way end
    /// on the version that they began on.
    pub async fn install(&self, manifest: Manifest, component: Bytes) -> Result<Installed, InstallFailure> {
        let changing = self.changing.lock().await;
        let config = &changing.config;
        let plugin = manifest.name.clone();
        self.check_names(&manifest)?;
        let guest = self.parts.sandbox.load(component, manifest.instances).await;
        let guest = guest.map_err(|reason| InstallFailure::Component {
            plugin: plugin.clone(),
            reason,
        })?;
        let installed = Installed {
            name: plugin.clone(),
            version: manifest.version.clone(),
            resources: manifest
                .resources
                .iter()
                .map(|resource| resource.name.clone())
                .collect(),
        };
        let manifest = Arc::new(manifest);
        let mut sources = self.sources();
        sources.insert(plugin.clone(), (Arc::clone(&manifest), guest));
        let policies = load(config, changing.known(&sources)).await;
        let policies = policies.map_err(|reason| InstallFailure::Policies {
            plugin: plugin.clone(),
            reason,
        })?;
        let now_ms = self.parts.clock.now_ms();
        let declared = self.parts.catalogue.declare(&plugin, &manifest.resources, now_ms).await;
        declared.map_err(|reason| InstallFailure::Catalogue {
            plugin: plugin.clone(),
            reason,
        })?;
        self.registry.store(Arc::new(self.picture(config, &sources, &policies)));
        Ok(installed)
    }

    /// Has grants, limits, settings and policies be as a new configuration says. Where its policies are not sound, nothing
    /// changes.
    pub async fn reconfigure(&self, config: Arc<Config>) -> Result<(), Diagnostics> {
        let mut changing = self.changing.lock().await;
        let sources = self.sources();
        let policies = load(&config, changing.known(&sources)).await?;
        self.registry
            .store(Arc::new(self.picture(&config, &sources, &policies)));
        changing.config = config;
        Ok(())
    }

    /// Makes the resources of a plugin known that can't be served: policies may name them.
    pub async fn announce(&self, manifest: Manifest) {
        let name = manifest.name.clone();
        self.changing.lock().await.unserved.insert(name, Arc::new(manifest));
    }

    fn sources(&self) -> Sources {
        let registry = self.registry.load();
        let source = |plugin: &Plugin| (Arc::clone(&plugin.manifest), plugin.guest.clone());
        registry
            .plugins
            .iter()
            .map(|(name, plugin)| (name.clone(), source(plugin)))
            .collect()
    }

    /// The picture that these plugins make under this configuration. Places that are taken stay taken: a gate whose size has
    /// not changed is kept.
    fn picture(&self, config: &Config, sources: &Sources, policies: &Policies) -> Registry {
        let (before, catalogue) = (self.registry.load(), self.parts.catalogue.current());
        let owners = owners(config, sources, policies);
        let mut picture = Registry {
            request_headers: config.request.headers.iter().cloned().collect(),
            ..Registry::default()
        };
        let no_grant = Grant::default();
        for (name, (manifest, guest)) in sources {
            let powers = crud_powers(manifest, config.grants.get(name).unwrap_or(&no_grant));
            let reach = reach(&powers, &owners);
            let plugin = Arc::new(plugin(config, manifest, guest, powers, reach, before.plugins.get(name)));
            for declared in &manifest.resources {
                // `install` has declared it, so it is there.
                let Some(collection) = catalogue.collection(&declared.name) else {
                    continue;
                };
                let resource = registry::Resource {
                    name: Arc::clone(collection.name()),
                    rules: rules(declared, policies),
                    kind: kind(guest.exports()),
                    collection: Arc::clone(collection),
                    plugin: Arc::clone(&plugin),
                };
                picture.resources.insert(declared.name.clone(), Arc::new(resource));
            }
            picture.plugins.insert(name.clone(), plugin);
        }
        picture
    }

    fn check_names(&self, manifest: &Manifest) -> Result<(), InstallFailure> {
        let registry = self.registry.load();
        for resource in &manifest.resources {
            if let Some(taken) = registry.resources.get(&resource.name)
                && taken.plugin.manifest.name != manifest.name
            {
                return Err(InstallFailure::Taken {
                    plugin: manifest.name.clone(),
                    resource: resource.name.clone(),
                    other: taken.plugin.manifest.name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A plugin that exports `crud` serves its resources itself, whatever else it exports.
fn kind(exports: Exports) -> Kind {
    if exports.crud { Kind::Crud } else { Kind::Hooks }
}

/// What another plugin has to know of a collection: who may do what, and what its documents count against.
struct Owned {
    rules: Rules,
    quota: Quota,
}

fn owners<'a>(config: &Config, sources: &'a Sources, policies: &Policies) -> HashMap<&'a str, Owned> {
    let mut owners = HashMap::new();
    for (manifest, _) in sources.values() {
        let quota = quota(manifest, &manifest.limits.capped(&config.limits));
        for resource in &manifest.resources {
            let owned = Owned {
                rules: rules(resource, policies),
                quota: quota.clone(),
            };
            owners.insert(resource.name.as_str(), owned);
        }
    }
    owners
}

fn quota(manifest: &Manifest, limits: &Limits) -> Quota {
    let collections = manifest.resources.iter().map(|resource| resource.name.as_str());
    keyspace::quota(&manifest.name, collections, u64::from(limits.storage_mib) << 20)
}

/// A collection whose plugin is not installed is out of reach until it is.
fn reach(powers: &Powers, owners: &HashMap<&str, Owned>) -> Reach {
    let reachable = powers.collections.iter().filter_map(|(collection, power)| {
        let Owned { rules, quota } = owners.get(collection.as_str())?;
        let reachable = Reachable {
            power: power.clone(),
            rules: rules.clone(),
            quota: quota.clone(),
        };
        Some((collection.clone(), reachable))
    });
    Reach {
        collections: reachable.collect(),
    }
}

fn plugin(
    config: &Config,
    manifest: &Arc<Manifest>,
    guest: &Guest,
    powers: Powers,
    reach: Reach,
    before: Option<&Arc<Plugin>>,
) -> Plugin {
    let limits = manifest.limits.capped(&config.limits);
    let settings = config.plugins.get(&manifest.name).map(|plugin| plugin.settings.clone());
    let context = PluginContext {
        name: manifest.name.clone(),
        settings: settings.unwrap_or_default(),
        quota: Some(quota(manifest, &limits)),
    };
    let same =
        |plugin: &&Arc<Plugin>| (plugin.limits.concurrency, plugin.limits.queue) == (limits.concurrency, limits.queue);
    let gate = match before.filter(same) {
        Some(plugin) => Arc::clone(&plugin.gate),
        None => Arc::new(Gate::new(limits.concurrency, limits.queue)),
    };
    // Once, and not each time that the picture is drawn anew because of another plugin.
    for denial in powers
        .denied
        .iter()
        .filter(|denial| before.is_none_or(|plugin| !plugin.denied.contains(denial)))
    {
        tracing::warn!(target: "policy", plugin = %manifest.name, "{denial}");
    }
    Plugin {
        manifest: Arc::clone(manifest),
        guest: guest.clone(),
        gate,
        reach: Arc::new(reach),
        context: Arc::new(context),
        call_limits: Arc::new(CallLimits::from(&limits)),
        deadline: Duration::from_millis(limits.deadline_ms.into()),
        limits,
        denied: powers.denied,
    }
}
