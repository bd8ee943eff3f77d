//! What the plugin directory and the configuration say about who may do what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use crate::app::plugin_folders;
use crate::cli::failure::Failure;
use crate::cli::options::Files;
use crate::manifest::{self, Action, MAX_MANIFEST_BYTES, Manifest, Resource, read_text};
use crate::policy::Rules;
use crate::policy::cedar::Policies;

/// All manifests and policies of a host that does not have to run.
pub(super) struct Installation {
    plugins: Vec<Plugin>,
    policies: Policies,
    files: usize,
}

struct Plugin {
    manifest: Manifest,
    /// Its `plugin.toml`.
    path: PathBuf,
    /// The places of its access words, by resource and action.
    words: BTreeMap<(String, String), usize>,
}

impl Installation {
    pub(super) fn load(files: &Files, plugins: Option<&Path>) -> Result<Self, Failure> {
        let config = files.load()?;
        let directory = plugins.unwrap_or(Path::new("plugins"));
        if !directory.is_dir() {
            return Err(Failure::Usage(format!(
                "there is no directory {}; --plugins names another",
                directory.display()
            )));
        }
        let folders = plugin_folders(directory).map_err(|error| Failure::Failed(error.to_string()))?;
        let plugins = folders.iter().map(|folder| Plugin::load(folder));
        let plugins: Vec<Plugin> = plugins.collect::<Result<_, _>>()?;
        let resources = plugins.iter().flat_map(|plugin| &plugin.manifest.resources);
        let policies = Policies::load(&config.policy.files, resources);
        let policies = policies.map_err(|complaints| Failure::Failed(complaints.to_string()))?;
        Ok(Self {
            plugins,
            policies,
            files: config.policy.files.len(),
        })
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.plugins.iter().flat_map(|plugin| &plugin.manifest.resources)
    }

    /// How many files of policies there are.
    pub(super) fn files(&self) -> usize {
        self.files
    }

    /// What decides about a resource.
    pub(super) fn rules(&self, resource: &str) -> Result<Rules, Failure> {
        let declared = self.resources().find(|declared| declared.name == resource);
        let Some(declared) = declared else {
            let names: Vec<&str> = self.resources().map(|resource| resource.name.as_str()).collect();
            let known = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            return Err(Failure::Failed(format!(
                "there is no resource `{resource}`; there are: {known}"
            )));
        };
        Ok(Rules::new(declared.access.clone(), self.policies.of(resource).cloned()))
    }

    /// Where the access word of a resource stands: the file, and the line from 1; without a line where it is left out.
    pub(super) fn word_at(&self, resource: &str, action: Action) -> Option<(String, Option<usize>)> {
        let has = |plugin: &&Plugin| {
            plugin
                .manifest
                .resources
                .iter()
                .any(|declared| declared.name == resource)
        };
        let plugin = self.plugins.iter().find(has)?;
        let line = plugin.words.get(&(resource.to_owned(), action.to_string()));
        Some((plugin.path.display().to_string(), line.copied()))
    }

    /// What `@id` calls a policy.
    pub(super) fn policy_name(&self, id: &str) -> Option<&str> {
        self.policies.name(id)
    }

    /// The resources to which policies can apply, each with the actions.
    pub(super) fn applies(&self) -> Vec<(String, Value)> {
        let applies = self.resources().filter_map(|resource| {
            let policies = self.policies.of(&resource.name)?;
            let actions: Vec<&str> = (Action::ALL.into_iter().filter(|action| policies.decides(*action)))
                .map(Action::word)
                .collect();
            Some((resource.name.clone(), json!(actions)))
        });
        applies.collect()
    }
}

impl Plugin {
    fn load(folder: &Path) -> Result<Self, Failure> {
        let manifest = Manifest::load(folder)?;
        let path = folder.join(manifest::FILE_NAME);
        let text = read_text(&path, MAX_MANIFEST_BYTES)?;
        Ok(Self {
            words: words(&text),
            manifest,
            path,
        })
    }
}

/// The lines of the access words of a manifest that is known to be sound.
fn words(text: &str) -> BTreeMap<(String, String), usize> {
    #[derive(Deserialize)]
    struct Lines {
        #[serde(default)]
        resource: Vec<OfResource>,
    }
    #[derive(Deserialize)]
    struct OfResource {
        name: String,
        #[serde(default)]
        access: BTreeMap<String, Spanned<String>>,
    }
    let lines: Lines = toml::from_str(text).unwrap_or(Lines { resource: Vec::new() });
    let of_resource = |resource: OfResource| {
        let name = resource.name;
        resource.access.into_iter().map(move |(action, word)| {
            let line = text[..word.span().start.min(text.len())].matches('\n').count() + 1;
            ((name.clone(), action), line)
        })
    };
    lines.resource.into_iter().flat_map(of_resource).collect()
}
