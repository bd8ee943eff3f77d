//! What the tests of this layer stand on: a store in memory, its catalogue, and calls.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::catalogue::{Catalogue, CatalogueState, audit, build_indexes};
use super::documents::{Cursors, Documents};
use super::model::Document;
use crate::manifest::{Access, AccessWord, IndexField, Resource};
use crate::policy::{Account, Caller, Scope};
use crate::storage::engine::{Engine, Quota};
use crate::storage::keyspace;
use crate::storage::memory;
use crate::storage::transaction::{Ended, Transaction};

/// When calls happen that do not say otherwise.
pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

/// A store with a catalogue.
pub(crate) struct Host {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) catalogue: Catalogue,
    cursors: Arc<Cursors>,
}

impl Host {
    pub(crate) async fn new() -> Self {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        Self {
            catalogue: Catalogue::load(Arc::clone(&engine), NOW_MS).await.unwrap(),
            engine,
            cursors: Arc::new(Cursors::new([7; 32])),
        }
    }

    /// A store in which the plugin `shop` has declared the resource.
    pub(crate) async fn with(resource: Resource) -> Self {
        let host = Self::new().await;
        host.declare(resource).await;
        host
    }

    pub(crate) async fn declare(&self, resource: Resource) {
        self.catalogue.declare("shop", &[resource], NOW_MS).await.unwrap();
    }

    pub(crate) async fn build(&self) {
        build_indexes(&self.catalogue, || NOW_MS).await.unwrap();
    }

    /// Documents and entries agree.
    pub(crate) async fn assert_sound(&self) {
        let report = audit(&self.catalogue, NOW_MS).await.unwrap();
        assert_eq!(report.faults, 0, "{:?}", report.told);
    }

    pub(crate) fn call(&self) -> Call {
        self.call_at(NOW_MS)
    }

    pub(crate) fn call_at(&self, now_ms: u64) -> Call {
        Call {
            transaction: Transaction::begin(Arc::clone(&self.engine), now_ms),
            catalogue: self.catalogue.current(),
            cursors: Arc::clone(&self.cursors),
            quota: keyspace::quota("shop", ["items"], u64::MAX),
            caller: Caller::Anonymous,
            readable: Some(Scope::All),
            writable: Scope::All,
            write_only: true,
        }
    }

    /// Inserts a document in a call of its own.
    pub(crate) async fn insert(&self, body: Value) -> Document {
        let mut call = self.call();
        let document = call.items().insert(body).await.unwrap();
        call.commit().await.unwrap();
        document
    }
}

/// One call.
pub(crate) struct Call {
    pub(crate) transaction: Transaction,
    pub(crate) catalogue: Arc<CatalogueState>,
    pub(crate) cursors: Arc<Cursors>,
    pub(crate) quota: Quota,
    pub(crate) caller: Caller,
    pub(crate) readable: Option<Scope>,
    pub(crate) writable: Scope,
    pub(crate) write_only: bool,
}

impl Call {
    /// The documents of the collection `items`.
    pub(crate) fn items(&mut self) -> Documents<'_> {
        Documents {
            transaction: &mut self.transaction,
            collection: self.catalogue.collection("items").unwrap(),
            catalogue: &self.catalogue,
            cursors: &self.cursors,
            caller: &self.caller,
            readable: self.readable.clone(),
            writable: self.writable.clone(),
            write_only: self.write_only,
            quota: &self.quota,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Ended> {
        self.transaction.commit().await.map(|_| ())
    }
}

/// The resource `items`; fields are written as in a manifest.
pub(crate) fn items(schema: Value, indexes: &[&[&str]], unique: &[&[&str]]) -> Resource {
    let fields = |index: &&[&str]| {
        let field = |written: &&str| IndexField {
            path: written.trim_start_matches('-').to_owned(),
            descending: written.starts_with('-'),
        };
        index.iter().map(field).collect()
    };
    Resource {
        name: "items".to_owned(),
        schema: Arc::new(schema),
        indexes: indexes.iter().map(fields).collect(),
        unique: unique.iter().map(fields).collect(),
        on_erase: Default::default(),
        access: Access::all(AccessWord::Anyone),
    }
}

/// An account without roles.
pub(crate) fn account(number: u128) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(number),
        roles: Arc::default(),
        limits: None,
    })
}
