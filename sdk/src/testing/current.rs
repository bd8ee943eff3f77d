//! The host of the thread: what the SDK's functions reach while [`Host::call`](super::Host::call) runs.

use std::cell::RefCell;
use std::rc::Rc;

use super::host::State;

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// Runs `call` with this host as the thread's.
pub(super) fn within<T>(state: &Rc<RefCell<State>>, call: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(Some(Rc::clone(state)));
    let outcome = call();
    CURRENT.set(before);
    outcome
}

/// Does something with the thread's host.
pub(super) fn with<T>(action: impl FnOnce(&mut State) -> T) -> T {
    let state = CURRENT.with_borrow(Option::clone);
    let state = state.expect("there is no host here: run this within `portcullis_sdk::testing::Host::call`");
    action(&mut state.borrow_mut())
}

pub(crate) mod documents {
    //! `portcullis:plugin/documents`
    use super::with;
    use crate::request::Identity;
    use crate::testing::collection::{Access, Collection, Write};
    use crate::testing::host::State;
    use crate::{Document, Page, Problem, Result, Selection};

    /// The collection, where the plugin may do this with it.
    fn allowed<'a>(
        state: &'a mut State,
        name: &str,
        action: &str,
        may: impl Fn(Access) -> bool,
    ) -> Result<&'a mut Collection> {
        match state.stored.collections.get_mut(name) {
            Some(collection) if may(collection.access) => Ok(collection),
            _ => Err(Problem::forbidden(format!(
                "This plugin may not {action} {name}: its manifest does not say so."
            ))),
        }
    }

    fn write(state: &State) -> Write {
        let owner = match &state.request.caller {
            Identity::Account(id) => Some(id.clone()),
            Identity::Anonymous | Identity::Operator | Identity::Host => None,
        };
        Write {
            now_ms: state.request.now_ms,
            owner,
        }
    }

    /// A UUID of version 7 (RFC 9562) of the call's time, with a counter where others have random bits.
    fn next_id(state: &mut State) -> String {
        state.ids += 1;
        let (ms, count) = (state.request.now_ms, state.ids);
        format!(
            "{:08x}-{:04x}-7{:03x}-8000-{:012x}",
            (ms >> 16) & 0xffff_ffff,
            ms & 0xffff,
            (count >> 48) & 0xfff,
            count & 0xffff_ffff_ffff
        )
    }

    pub(crate) fn get(collection: &str, id: &str) -> Result<Option<Document>> {
        with(|state| Ok(allowed(state, collection, "read", |access| access.read)?.get(id)))
    }

    pub(crate) fn get_many(collection: &str, ids: &[String]) -> Result<Vec<Option<Document>>> {
        if ids.len() > 1_000 {
            return Err(Problem::invalid("", "At most 1,000 documents are read at once."));
        }
        with(|state| {
            let collection = allowed(state, collection, "read", |access| access.read)?;
            Ok(ids.iter().map(|id| collection.get(id)).collect())
        })
    }

    pub(crate) fn query(collection: &str, selection: Selection) -> Result<Page> {
        with(|state| allowed(state, collection, "read", |access| access.read)?.query(&selection))
    }

    pub(crate) fn insert(collection: &str, body: &str) -> Result<Document> {
        with(|state| {
            let (id, write) = (next_id(state), write(state));
            allowed(state, collection, "create", |access| access.create)?.insert(id, body, write)
        })
    }

    pub(in crate::testing) fn insert_as_host(collection: &str, body: &str) -> Result<Document> {
        with(|state| {
            let (id, write) = (next_id(state), write(state));
            allowed(state, collection, "create", |_| true)?.insert(id, body, write)
        })
    }

    pub(crate) fn replace(collection: &str, id: &str, body: &str) -> Result<Document> {
        with(|state| {
            let write = write(state);
            allowed(state, collection, "update", |access| access.update)?.replace(id, body, &write)
        })
    }

    pub(crate) fn patch(collection: &str, id: &str, merge_patch: &str) -> Result<Document> {
        with(|state| {
            let write = write(state);
            allowed(state, collection, "update", |access| access.update)?.patch(id, merge_patch, &write)
        })
    }

    pub(crate) fn delete(collection: &str, id: &str) -> Result<()> {
        with(|state| allowed(state, collection, "delete", |access| access.delete)?.delete(id))
    }
}

pub(crate) mod keyvalue {
    //! `wasi:keyvalue`, with the limits of the real host.
    pub(crate) use crate::testing::bucket::Bucket;
}

pub(crate) mod config {
    //! `wasi:config`
    use std::collections::BTreeMap;

    use super::with;
    use crate::Result;

    pub(crate) fn get(key: &str) -> Result<Option<String>> {
        Ok(with(|state| state.settings.get(key).cloned()))
    }

    pub(crate) fn get_all() -> Result<BTreeMap<String, String>> {
        Ok(with(|state| state.settings.clone()))
    }
}

pub(crate) mod log {
    //! `wasi:logging`
    use super::with;
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        with(|state| state.log.push((level, message.to_owned())));
    }
}

pub(crate) mod request {
    //! `portcullis:plugin/request`
    use super::with;
    use crate::request::Identity;

    pub(crate) fn id() -> String {
        with(|state| state.request.id.clone())
    }

    pub(crate) fn caller() -> Identity {
        with(|state| state.request.caller.clone())
    }

    pub(crate) fn has_role(role: &str) -> bool {
        with(|state| state.request.caller == Identity::Operator || state.request.roles.iter().any(|one| one == role))
    }

    pub(crate) fn now_ms() -> u64 {
        with(|state| state.request.now_ms)
    }

    pub(crate) fn locale() -> String {
        with(|state| state.request.locale.clone())
    }

    pub(crate) fn header(name: &str) -> Option<String> {
        with(|state| state.request.headers.get(name).cloned())
    }
}
