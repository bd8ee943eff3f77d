//! The catalogue: which collections there are, with their schemas and indexes. It is kept in the store and versioned, and
//! index entries derive from it, not from the manifest of the plugin version that happens to run.

mod audit;
mod build;
mod collection;
mod definition;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{Mutex, watch};

pub use audit::{AuditReport, audit};
pub use build::build_indexes;
pub use collection::{Collection, Field, Index, IndexPart, RESERVED_FIELDS};
pub use definition::{IndexState, MayHold};
pub use schema::{FieldKind, MAX_VIOLATIONS, Schema};

use crate::manifest::{IndexField, MAX_INDEX_FIELDS, MAX_INDEXES, Resource};
use crate::storage::engine::{Engine, Sequence};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};
use definition::{CollectionDefinition, Definition, IndexDefinition};

/// How often a change of the catalogue is tried again when another host changes it at the same time.
const MAX_ATTEMPTS: usize = 100;
/// The part of the catalogue that holds the definitions.
const DEFINITION: &[u8] = b"definition";

/// Why the catalogue was not changed or read; the texts are for operators and plugin authors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Another plugin declared the collection.
    #[error("the collection `{collection}` belongs to the plugin `{plugin}`; choose another name")]
    Taken {
        /// The collection.
        collection: String,
        /// Whose it is.
        plugin: String,
    },
    /// The schema can't be compiled.
    #[error("the schema of `{collection}` is not usable: {reason}")]
    Schema {
        /// The collection.
        collection: String,
        /// What is wrong.
        reason: String,
    },
    /// An index can't be had.
    #[error("the index {index:?} of `{collection}` is not usable: {reason}")]
    Index {
        /// The collection.
        collection: String,
        /// The index's fields.
        index: Vec<String>,
        /// What is wrong.
        reason: String,
    },
    /// What is stored is not a catalogue that this version knows.
    #[error("the stored catalogue is not readable: {0}; it was written by a newer version, or the store is damaged")]
    Unreadable(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] Ended),
}

/// One version of the catalogue.
#[derive(Debug, Default)]
pub struct CatalogueState {
    version: u64,
    /// The commit that stored this version; 0 before the first one.
    stored: Sequence,
    collections: BTreeMap<String, Arc<Collection>>,
}

impl CatalogueState {
    /// Counts the changes; 0 before the first one.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A collection by its name.
    pub fn collection(&self, name: &str) -> Option<&Arc<Collection>> {
        self.collections.get(name)
    }

    /// All collections.
    pub fn collections(&self) -> impl Iterator<Item = &Arc<Collection>> {
        self.collections.values()
    }

    /// Ends the call where the store has another version, since its plans and its index entries would be stale. That shows
    /// at the call's next read, or else at its commit: a create in a collection without indexes reads nothing.
    pub fn pin(&self, transaction: &mut Transaction) -> Result<(), Ended> {
        transaction.assume(keyspace::catalogue(), self.stored)
    }
}

/// The catalogue of a store; this host's view of it.
pub struct Catalogue {
    engine: Arc<dyn Engine>,
    current: ArcSwap<CatalogueState>,
    /// Changes of this host go one after the other.
    changing: Mutex<()>,
    versions: watch::Sender<u64>,
}

impl Catalogue {
    /// Reads the catalogue of a store.
    pub async fn load(engine: Arc<dyn Engine>, now_ms: u64) -> Result<Self, CatalogueError> {
        let mut transaction = Transaction::begin(Arc::clone(&engine), now_ms);
        let definition = read(&mut transaction).await?;
        transaction.get(&keyspace::catalogue()).await?;
        let stored = transaction.version_read(&keyspace::catalogue()).unwrap_or(0);
        let state = CatalogueState {
            stored,
            ..state_of(&definition, &CatalogueState::default())?
        };
        let versions = watch::Sender::new(state.version);
        Ok(Self {
            engine,
            current: ArcSwap::from_pointee(state),
            changing: Mutex::new(()),
            versions,
        })
    }

    /// The version that calls start with.
    pub fn current(&self) -> Arc<CatalogueState> {
        self.current.load_full()
    }

    /// Told of each new version: there may be an index to build.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }

    /// The store whose catalogue it is.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Has the collections of a plugin be as its manifest says. Collections that the manifest no longer names stay, with
    /// their documents; an index that it no longer names is retired, a new one on existing documents is built.
    pub async fn declare(&self, plugin: &str, resources: &[Resource], now_ms: u64) -> Result<(), CatalogueError> {
        self.change(now_ms, |definition| {
            resources
                .iter()
                .try_for_each(|resource| declare(definition, plugin, resource))
        })
        .await
    }

    /// Commits a new version, where `edit` changes anything.
    async fn change(
        &self,
        now_ms: u64,
        mut edit: impl FnMut(&mut Definition) -> Result<(), CatalogueError>,
    ) -> Result<(), CatalogueError> {
        let _one_at_a_time = self.changing.lock().await;
        let mut last = Ended::Conflict(BTreeSet::new());
        for _ in 0..MAX_ATTEMPTS {
            let mut transaction = Transaction::begin(Arc::clone(&self.engine), now_ms);
            match self.attempt(&mut transaction, &mut edit).await {
                Ok(None) => return Ok(()),
                Ok(Some(state)) => match transaction.commit().await {
                    Ok(stored) => {
                        let version = state.version;
                        self.current.store(Arc::new(CatalogueState { stored, ..state }));
                        self.versions.send_replace(version);
                        return Ok(());
                    }
                    Err(ended) => last = retryable(ended)?,
                },
                Err(CatalogueError::Store(ended)) => last = retryable(ended)?,
                Err(refused) => return Err(refused),
            }
        }
        Err(last.into())
    }

    async fn attempt(
        &self,
        transaction: &mut Transaction,
        edit: &mut impl FnMut(&mut Definition) -> Result<(), CatalogueError>,
    ) -> Result<Option<CatalogueState>, CatalogueError> {
        let stored = read(transaction).await?;
        let mut edited = stored.clone();
        edit(&mut edited)?;
        if edited == stored && stored.version == self.current.load().version {
            return Ok(None);
        }
        edited.version += 1;
        let state = state_of(&edited, &self.current.load())?;
        let text = serde_json::to_vec(&edited).map_err(|error| CatalogueError::Unreadable(error.to_string()))?;
        transaction.put(keyspace::catalogue_part(DEFINITION), text.into(), None);
        transaction.put(
            keyspace::catalogue(),
            Bytes::copy_from_slice(&edited.version.to_be_bytes()),
            None,
        );
        Ok(Some(state))
    }
}

fn retryable(ended: Ended) -> Result<Ended, Ended> {
    if matches!(ended, Ended::Conflict(_)) {
        Ok(ended)
    } else {
        Err(ended)
    }
}

async fn read(transaction: &mut Transaction) -> Result<Definition, CatalogueError> {
    match transaction.get(&keyspace::catalogue_part(DEFINITION)).await? {
        None => Ok(Definition::default()),
        Some(text) => serde_json::from_slice(&text).map_err(|error| CatalogueError::Unreadable(error.to_string())),
    }
}

/// What calls work with; schemas that have not changed are not compiled again.
fn state_of(definition: &Definition, before: &CatalogueState) -> Result<CatalogueState, CatalogueError> {
    let mut collections = BTreeMap::new();
    for (name, collection) in &definition.collections {
        let known = before
            .collection(name)
            .map(|known| known.schema())
            .filter(|known| **known.text() == collection.schema);
        let schema = match known {
            Some(known) => Arc::clone(known),
            None => Arc::new(compile(name, &collection.schema)?),
        };
        collections.insert(name.clone(), Arc::new(Collection::new(name, collection, schema)));
    }
    Ok(CatalogueState {
        version: definition.version,
        stored: before.stored,
        collections,
    })
}

fn compile(collection: &str, schema: &serde_json::Value) -> Result<Schema, CatalogueError> {
    Schema::compile(Arc::new(schema.clone())).map_err(|reason| CatalogueError::Schema {
        collection: collection.to_owned(),
        reason,
    })
}

fn declare(definition: &mut Definition, plugin: &str, resource: &Resource) -> Result<(), CatalogueError> {
    let schema = compile(&resource.name, &resource.schema)?;
    check_indexes(resource)?;
    let is_new = !definition.collections.contains_key(&resource.name);
    let collection = definition
        .collections
        .entry(resource.name.clone())
        .or_insert_with(|| CollectionDefinition {
            plugin: plugin.to_owned(),
            schema: (*resource.schema).clone(),
            indexes: Vec::new(),
            on_erase: resource.on_erase,
        });
    if collection.plugin != plugin {
        let (collection, plugin) = (resource.name.clone(), collection.plugin.clone());
        return Err(CatalogueError::Taken { collection, plugin });
    }
    collection.schema = (*resource.schema).clone();
    collection.on_erase = resource.on_erase;
    let wanted: Vec<(&Vec<IndexField>, bool)> = (resource.indexes.iter().map(|fields| (fields, false)))
        .chain(resource.unique.iter().map(|fields| (fields, true)))
        .collect();
    for index in &mut collection.indexes {
        let kept = index.is_maintained() && wanted.contains(&(&index.fields, index.unique));
        if !kept {
            index.state = IndexState::Retiring;
        }
        for (field, known) in index.fields.iter().zip(&mut index.may_hold) {
            *known = known.or(may_hold(&schema, &field.path));
        }
    }
    for (fields, unique) in wanted {
        let same = |index: &IndexDefinition| index.is_maintained() && index.fields == *fields && index.unique == unique;
        if collection.indexes.iter().any(same) {
            continue;
        }
        let id = definition.next_index;
        definition.next_index += 1;
        let may_hold = fields.iter().map(|field| may_hold(&schema, &field.path)).collect();
        let state = if is_new {
            IndexState::Ready
        } else {
            IndexState::Building
        };
        collection.indexes.push(IndexDefinition {
            id,
            fields: fields.clone(),
            unique,
            may_hold,
            state,
        });
    }
    Ok(())
}

impl IndexDefinition {
    fn is_maintained(&self) -> bool {
        matches!(self.state, IndexState::Building | IndexState::Ready)
    }
}

fn may_hold(schema: &Schema, path: &str) -> MayHold {
    match Field::parse(path) {
        Field::Body(_) => schema.may_hold(path),
        Field::Owner => MayHold {
            array: false,
            null: true,
        },
        Field::Id | Field::CreatedAt | Field::UpdatedAt => MayHold::default(),
    }
}

fn check_indexes(resource: &Resource) -> Result<(), CatalogueError> {
    let refuse = |fields: &[IndexField], reason: &str| CatalogueError::Index {
        collection: resource.name.clone(),
        index: fields.iter().map(ToString::to_string).collect(),
        reason: reason.to_owned(),
    };
    let all: Vec<&Vec<IndexField>> = resource.indexes.iter().chain(&resource.unique).collect();
    if let Some(one_too_many) = all.get(MAX_INDEXES) {
        return Err(refuse(
            one_too_many,
            &format!("a collection has at most {MAX_INDEXES} indexes"),
        ));
    }
    for fields in all {
        if fields.is_empty() || fields.len() > MAX_INDEX_FIELDS {
            return Err(refuse(fields, &format!("an index has 1 to {MAX_INDEX_FIELDS} fields")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
