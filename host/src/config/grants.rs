//! `[grants.NAME]`: what a plugin may touch beyond its own; written as the `[wants]` of its manifest.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::reading::plugin_name;
use crate::manifest::{CollectionWish, RawWish, Source, is_resource_name, wish};

/// What the operator grants one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Collections of other plugins.
    pub collections: BTreeMap<String, CollectionWish>,
    /// Those of which it sees the fields that are `writeOnly`.
    pub write_only: BTreeSet<String>,
}

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(default)]
    collections: BTreeMap<Spanned<String>, RawWish>,
    #[serde(default)]
    write_only: Vec<Spanned<String>>,
}

pub(super) fn read(raw: BTreeMap<Spanned<String>, Raw>, source: &mut Source<'_>) -> BTreeMap<String, Grant> {
    let mut grants = BTreeMap::new();
    for (name, raw) in raw {
        plugin_name(&name, source);
        let mut grant = Grant::default();
        for (collection, raw) in raw.collections {
            resource_name(&collection, source);
            let granted = wish(raw, collection.span(), source);
            grant.collections.insert(collection.into_inner(), granted);
        }
        for collection in raw.write_only {
            resource_name(&collection, source);
            grant.write_only.insert(collection.into_inner());
        }
        grants.insert(name.into_inner(), grant);
    }
    grants
}

fn resource_name(name: &Spanned<String>, source: &mut Source<'_>) {
    if !is_resource_name(name.get_ref()) {
        let message = format!("`{}` is not a resource's name", name.get_ref());
        let help = "write the name as it is in the plugin.toml of its plugin".to_owned();
        source.complain(name.span(), message, Some(help));
    }
}
