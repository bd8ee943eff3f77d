//! What a plugin may touch: the powers of its role, its manifest and the operator's grant, intersected. The default is no.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::config::Grant;
use crate::manifest::{Action, CollectionWish, Manifest};

/// As whom a call touches a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The collection is the plugin's own.
    Own,
    /// Another plugin's, with the rights of the caller.
    AsCaller,
    /// Another plugin's, beyond the rights of the caller.
    AsSystem,
}

/// What may be done with one collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Power {
    /// The actions.
    pub actions: BTreeSet<Action>,
    /// As whom.
    pub standing: Standing,
    /// Whether the fields are seen that are `writeOnly`.
    pub write_only: bool,
}

/// What a call may touch, and what the manifest asked for in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// By the collection's name.
    pub collections: BTreeMap<String, Power>,
    /// In the order of the manifest's lists.
    pub denied: Vec<Denial>,
}

/// A wish that is not granted in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The operator has not granted this.
    NotGranted {
        /// Whose wish it is.
        plugin: String,
        /// Of which collection.
        collection: String,
        /// What is not granted; empty where only the standing is not.
        actions: BTreeSet<Action>,
        /// Whether acting as the system is not granted.
        as_system: bool,
        /// What would allow it.
        remedy: Remedy,
    },
    /// The operator has not granted to see fields that are `writeOnly`.
    NotShown {
        /// Whose wish it is.
        plugin: String,
        /// Of which collection.
        collection: String,
        /// What would allow it.
        remedy: Remedy,
    },
    /// No export of the plugin has a role with this power; no grant changes that.
    NotInRole {
        /// What is wanted, in words.
        wish: String,
    },
}

/// What to write into `portcullis.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The table under which the line belongs, in brackets.
    pub table: String,
    /// The line; it takes the place of one with the same key.
    pub line: String,
}

impl Remedy {
    /// What grants `wish` for `collection` to `plugin`.
    pub fn new(plugin: &str, collection: &str, wish: &CollectionWish) -> Self {
        // `read` includes `list`, so it is said shorter.
        let shown = wish
            .actions
            .iter()
            .filter(|action| **action != Action::List || !wish.actions.contains(&Action::Read));
        let actions: Vec<String> = shown.map(|action| format!("\"{action}\"")).collect();
        let actions = format!("[{}]", actions.join(", "));
        Self {
            table: format!("[grants.{plugin}.collections]"),
            line: if wish.as_system {
                format!("{collection} = {{ actions = {actions}, as = \"system\" }}")
            } else {
                format!("{collection} = {actions}")
            },
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write `{}` under `{}` in portcullis.toml", self.line, self.table)
    }
}

impl Denial {
    /// What is denied, in words.
    pub fn wish(&self) -> String {
        match self {
            Self::NotGranted {
                plugin,
                collection,
                actions,
                as_system,
                ..
            } => {
                let mut what: Vec<&str> = actions.iter().map(|action| action.word()).collect();
                if *as_system {
                    what.push("act as the system");
                }
                format!("`{plugin}` may not {} on `{collection}`", what.join(", "))
            }
            Self::NotShown { plugin, collection, .. } => {
                format!("`{plugin}` may not see the fields of `{collection}` that are writeOnly")
            }
            Self::NotInRole { wish } => wish.clone(),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted { remedy, .. } | Self::NotShown { remedy, .. } => write!(f, "{}: {remedy}", self.wish()),
            Self::NotInRole { wish } => write!(f, "{wish}: no export of this plugin has a role that may do this"),
        }
    }
}

/// The powers of a call to `crud` or `hooks`: collections, never the network, never a secret.
pub fn crud_powers(manifest: &Manifest, grant: &Grant) -> Powers {
    let mut powers = Powers::default();
    for resource in &manifest.resources {
        let power = Power {
            actions: Action::ALL.into(),
            standing: Standing::Own,
            write_only: manifest.wants.write_only.contains(&resource.name),
        };
        powers.collections.insert(resource.name.clone(), power);
    }
    for (collection, wish) in &manifest.wants.collections {
        let granted = grant.collections.get(collection);
        if let Some(power) = granted.and_then(|granted| intersection(wish, granted)) {
            let write_only = manifest.wants.write_only.contains(collection) && grant.write_only.contains(collection);
            let power = Power { write_only, ..power };
            powers.collections.insert(collection.clone(), power);
        }
        powers.denied.extend(denial(&manifest.name, collection, wish, granted));
    }
    powers.denied.extend(not_shown(manifest, grant));
    let origins = manifest.wants.egress.iter().map(|origin| format!("calling `{origin}`"));
    let secrets = manifest
        .wants
        .secrets
        .iter()
        .map(|name| format!("using the secret `{name}`"));
    powers
        .denied
        .extend(origins.chain(secrets).map(|wish| Denial::NotInRole { wish }));
    powers
}

/// What is both wanted and granted.
fn intersection(wish: &CollectionWish, granted: &CollectionWish) -> Option<Power> {
    let actions: BTreeSet<Action> = wish.actions.intersection(&granted.actions).copied().collect();
    let standing = if wish.as_system && granted.as_system {
        Standing::AsSystem
    } else {
        Standing::AsCaller
    };
    (!actions.is_empty()).then_some(Power {
        actions,
        standing,
        write_only: false,
    })
}

/// The collections of others whose `writeOnly` fields are wanted, and not granted.
fn not_shown(manifest: &Manifest, grant: &Grant) -> Vec<Denial> {
    let Manifest { name, wants, .. } = manifest;
    let others: Vec<&String> = wants
        .write_only
        .iter()
        .filter(|collection| wants.collections.contains_key(*collection))
        .collect();
    let named: Vec<String> = others.iter().map(|collection| format!("\"{collection}\"")).collect();
    let denied = others
        .into_iter()
        .filter(|collection| !grant.write_only.contains(*collection));
    let denial = |collection: &String| Denial::NotShown {
        plugin: name.clone(),
        collection: collection.clone(),
        remedy: Remedy {
            table: format!("[grants.{name}]"),
            line: format!("write_only = [{}]", named.join(", ")),
        },
    };
    denied.map(denial).collect()
}

/// What is wanted and not granted.
fn denial(plugin: &str, collection: &str, wish: &CollectionWish, granted: Option<&CollectionWish>) -> Option<Denial> {
    let nothing = CollectionWish::default();
    let granted = granted.unwrap_or(&nothing);
    let actions: BTreeSet<Action> = wish.actions.difference(&granted.actions).copied().collect();
    let as_system = wish.as_system && !granted.as_system;
    if actions.is_empty() && !as_system {
        return None;
    }
    Some(Denial::NotGranted {
        plugin: plugin.to_owned(),
        collection: collection.to_owned(),
        actions,
        as_system,
        remedy: Remedy::new(plugin, collection, wish),
    })
}
