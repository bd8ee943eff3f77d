//! The host in memory, as a test sets it up and asks it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::rc::Rc;

use super::collection::Collection;
use super::{current, manifest};
use crate::log::Level;
use crate::request::Identity;
use crate::{Document, Result, ToJson};

/// A host in memory: build it, [`call`](Host::call) the plugin in it, look at what is stored.
#[derive(Debug)]
pub struct Host {
    state: Rc<RefCell<State>>,
}

/// Everything that a call may see.
#[derive(Debug)]
pub(super) struct State {
    /// What a failed call takes back.
    pub(super) stored: Contents,
    pub(super) request: Request,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) log: Vec<(Level, String)>,
    pub(super) ids: u64,
}

/// What is written in a transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) collections: BTreeMap<String, Collection>,
    pub(super) buckets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

/// The request that calls see.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) caller: Identity,
    pub(super) roles: Vec<String>,
    pub(super) now_ms: u64,
    pub(super) locale: String,
    pub(super) headers: BTreeMap<String, String>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host without collections; an anonymous caller, in English, at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        let request = Request {
            id: "test".to_owned(),
            caller: Identity::Anonymous,
            roles: Vec::new(),
            now_ms: 1_767_225_600_000,
            locale: "en".to_owned(),
            headers: BTreeMap::new(),
        };
        let state = State {
            stored: Contents::default(),
            request,
            settings: BTreeMap::new(),
            log: Vec::new(),
            ids: 0,
        };
        Self {
            state: Rc::new(RefCell::new(state)),
        }
    }

    /// A host that runs the plugin in this folder (`env!("CARGO_MANIFEST_DIR")`): the collections of its resources with
    /// their schemas and unique fields, as its `plugin.toml` says.
    ///
    /// # Panics
    /// Where the manifest or a schema can't be read.
    pub fn for_plugin(folder: impl AsRef<Path>) -> Self {
        let host = Self::new();
        host.state.borrow_mut().stored.collections = manifest::read(folder.as_ref()).collections;
        host
    }

    /// Adds the collections of another plugin, in this folder; the plugin under test, in `for_folder`, may do with them
    /// what its manifest wants (and the operator is taken to grant).
    ///
    /// # Panics
    /// Where a manifest or a schema can't be read.
    #[must_use]
    pub fn beside(self, folder: impl AsRef<Path>, for_folder: impl AsRef<Path>) -> Self {
        let wants = manifest::read(for_folder.as_ref()).wants;
        let others = manifest::read(folder.as_ref()).collections;
        let wanted = others.into_iter().filter_map(|(name, collection)| {
            let mut collection = collection;
            collection.access = *wants.get(&name)?;
            Some((name, collection))
        });
        self.state.borrow_mut().stored.collections.extend(wanted);
        self
    }

    /// Adds a collection without a schema, which the plugin may read and write.
    #[must_use]
    pub fn collection(self, name: &str) -> Self {
        self.state
            .borrow_mut()
            .stored
            .collections
            .insert(name.to_owned(), Collection::default());
        self
    }

    /// Makes a combination of fields of a collection unique; adds the collection if need be.
    #[must_use]
    pub fn unique(self, collection: &str, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        self.state
            .borrow_mut()
            .stored
            .collections
            .entry(collection.to_owned())
            .or_default()
            .unique
            .push(fields);
        self
    }

    /// Sets who calls from now on.
    #[must_use]
    pub fn caller(self, caller: Identity) -> Self {
        self.set_caller(caller);
        self
    }

    /// Gives the caller a role.
    #[must_use]
    pub fn role(self, role: &str) -> Self {
        self.state.borrow_mut().request.roles.push(role.to_owned());
        self
    }

    /// Sets the language that the caller prefers.
    #[must_use]
    pub fn locale(self, locale: &str) -> Self {
        locale.clone_into(&mut self.state.borrow_mut().request.locale);
        self
    }

    /// Lets the plugin see a header of the request.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.state
            .borrow_mut()
            .request
            .headers
            .insert(name.to_ascii_lowercase(), value.to_owned());
        self
    }

    /// Sets a setting of the plugin.
    #[must_use]
    pub fn setting(self, key: &str, value: &str) -> Self {
        self.state
            .borrow_mut()
            .settings
            .insert(key.to_owned(), value.to_owned());
        self
    }

    /// Sets who calls from now on.
    pub fn set_caller(&self, caller: Identity) {
        self.state.borrow_mut().request.caller = caller;
    }

    /// Sets the time, in milliseconds since the Unix epoch, of the calls from now on.
    pub fn set_now_ms(&self, now_ms: u64) {
        self.state.borrow_mut().request.now_ms = now_ms;
    }

    /// Runs one call in this host, as one transaction: an error or a panic leaves nothing written.
    pub fn call<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = self.state.borrow().stored.clone();
        let outcome = current::within(&self.state, || catch_unwind(AssertUnwindSafe(call)));
        if !matches!(outcome, Ok(Ok(_))) {
            self.state.borrow_mut().stored = before;
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Stores a document as the host itself would, whatever the plugin may do with the collection.
    ///
    /// # Panics
    /// Where there is no such collection, or it refuses the body.
    pub fn insert(&self, collection: &str, body: &(impl ToJson + ?Sized)) -> Document {
        let body = body
            .to_json()
            .unwrap_or_else(|problem| panic!("the body of a document: {problem}"));
        let stored = current::within(&self.state, || current::documents::insert_as_host(collection, &body));
        stored.unwrap_or_else(|problem| panic!("a document for {collection}: {problem}"))
    }

    /// What a collection holds, by id.
    ///
    /// # Panics
    /// Where there is no such collection.
    pub fn documents(&self, collection: &str) -> Vec<Document> {
        let state = self.state.borrow();
        let found = state.stored.collections.get(collection);
        found
            .unwrap_or_else(|| panic!("the host has no collection {collection}"))
            .all()
    }

    /// The lines logged so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        self.state.borrow().log.clone()
    }
}
