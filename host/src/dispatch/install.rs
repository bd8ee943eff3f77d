//! From a manifest and a component to a plugin that serves: loaded, declared, swapped in. What runs goes on meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::capabilities::catalogue::CatalogueError;
use crate::capabilities::context::{PluginContext, Reach, Reachable};
use crate::config::{Config, Grant};
use crate::manifest::{Access, Limits, Manifest, Resource};
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
}

impl Dispatch {
    /// Makes a plugin ready and swaps it in, in the place of its other version if there is one. Calls that are under way end
    /// on the version that they began on.
    pub async fn install(&self, manifest: Manifest, component: Bytes) -> Result<Installed, InstallFailure> {
        let config = self.changing.lock().await;
        let plugin = manifest.name.clone();
        self.check_names(&manifest)?;
        let guest = self.parts.sandbox.load(component, manifest.instances).await;
        let guest = guest.map_err(|reason| InstallFailure::Component {
            plugin: plugin.clone(),
            reason,
        })?;
        let now_ms = self.parts.clock.now_ms();
        let declared = self.parts.catalogue.declare(&plugin, &manifest.resources, now_ms).await;
        declared.map_err(|reason| InstallFailure::Catalogue {
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
        let mut sources = self.sources();
        sources.insert(plugin, (Arc::new(manifest), guest));
        self.registry.store(Arc::new(self.picture(&config, &sources)));
        Ok(installed)
    }

    /// Has grants, limits and settings be as a new configuration says.
    pub async fn reconfigure(&self, config: Arc<Config>) {
        let mut current = self.changing.lock().await;
        self.registry.store(Arc::new(self.picture(&config, &self.sources())));
        *current = config;
    }

    fn sources(&self) -> BTreeMap<String, (Arc<Manifest>, Guest)> {
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
    fn picture(&self, config: &Config, sources: &BTreeMap<String, (Arc<Manifest>, Guest)>) -> Registry {
        let (before, catalogue) = (self.registry.load(), self.parts.catalogue.current());
        let owners = owners(config, sources);
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
                    access: declared.access.clone(),
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
struct Owned<'a> {
    access: &'a Access,
    quota: Quota,
}

fn owners<'a>(config: &Config, sources: &'a BTreeMap<String, (Arc<Manifest>, Guest)>) -> HashMap<&'a str, Owned<'a>> {
    let mut owners = HashMap::new();
    for (manifest, _) in sources.values() {
        let quota = quota(manifest, &manifest.limits.capped(&config.limits));
        for Resource { name, access, .. } in &manifest.resources {
            owners.insert(
                name.as_str(),
                Owned {
                    access,
                    quota: quota.clone(),
                },
            );
        }
    }
    owners
}

fn quota(manifest: &Manifest, limits: &Limits) -> Quota {
    let collections = manifest.resources.iter().map(|resource| resource.name.as_str());
    keyspace::quota(&manifest.name, collections, u64::from(limits.storage_mib) << 20)
}

/// A collection whose plugin is not installed is out of reach until it is.
fn reach(powers: &Powers, owners: &HashMap<&str, Owned<'_>>) -> Reach {
    let reachable = powers.collections.iter().filter_map(|(collection, power)| {
        let Owned { access, quota } = owners.get(collection.as_str())?;
        let reachable = Reachable {
            power: power.clone(),
            access: (*access).clone(),
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
    for denial in &powers.denied {
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
