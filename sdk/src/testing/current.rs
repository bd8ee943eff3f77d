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
fn with<T>(action: impl FnOnce(&mut State) -> T) -> T {
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
    //! `wasi:keyvalue`
    use std::collections::BTreeMap;

    use super::with;
    use crate::keyvalue::Error;

    #[derive(Debug)]
    pub(crate) struct Bucket(String);

    impl Bucket {
        pub(crate) fn open(name: &str) -> Result<Self, Error> {
            if name.is_empty() {
                return Err(Error::NoSuchStore);
            }
            Ok(Self(name.to_owned()))
        }

        fn with<T>(&self, action: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
            with(|state| action(state.stored.buckets.entry(self.0.clone()).or_default()))
        }

        pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.with(|bucket| bucket.get(key).cloned()))
        }

        pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
            if key.is_empty() {
                return Err(Error::Other("a key has at least one character".to_owned()));
            }
            self.with(|bucket| bucket.insert(key.to_owned(), value.to_owned()));
            Ok(())
        }

        pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
            self.with(|bucket| bucket.remove(key));
            Ok(())
        }

        pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
            Ok(self.with(|bucket| bucket.contains_key(key)))
        }

        pub(crate) fn list_keys(&self, _: Option<String>) -> Result<(Vec<String>, Option<String>), Error> {
            Ok((self.with(|bucket| bucket.keys().cloned().collect()), None))
        }

        pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
            let number = match self.get(key)? {
                None => 0,
                Some(bytes) => std::str::from_utf8(&bytes)
                    .ok()
                    .and_then(|text| text.parse::<i64>().ok())
                    .ok_or_else(|| Error::Other(format!("the value of {key} is not a number")))?,
            };
            let sum = number
                .checked_add(delta)
                .ok_or_else(|| Error::Other(format!("the number at {key} overflows")))?;
            self.set(key, sum.to_string().as_bytes())?;
            Ok(sum)
        }

        pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
            keys.iter().map(|key| self.get(key)).collect()
        }

        pub(crate) fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
            entries.iter().try_for_each(|(key, value)| self.set(key, value))
        }

        pub(crate) fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
            keys.iter().try_for_each(|key| self.delete(key))
        }
    }
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
