//! The real host: the component's imports.

pub(crate) mod documents {
    //! `portcullis:plugin/documents`
    use crate::bindings::imports::portcullis::plugin::documents;
    use crate::{Document, Page, Result, Selection};

    pub(crate) fn get(collection: &str, id: &str) -> Result<Option<Document>> {
        Ok(documents::get(collection, id)?.map(Into::into))
    }

    pub(crate) fn get_many(collection: &str, ids: &[String]) -> Result<Vec<Option<Document>>> {
        Ok(documents::get_many(collection, ids)?
            .into_iter()
            .map(|found| found.map(Into::into))
            .collect())
    }

    pub(crate) fn query(collection: &str, selection: Selection) -> Result<Page> {
        Ok(documents::query(collection, &selection.into())?.into())
    }

    pub(crate) fn insert(collection: &str, body: &str) -> Result<Document> {
        Ok(documents::insert(collection, body)?.into())
    }

    pub(crate) fn replace(collection: &str, id: &str, body: &str) -> Result<Document> {
        Ok(documents::replace(collection, id, body)?.into())
    }

    pub(crate) fn patch(collection: &str, id: &str, merge_patch: &str) -> Result<Document> {
        Ok(documents::patch(collection, id, merge_patch)?.into())
    }

    pub(crate) fn delete(collection: &str, id: &str) -> Result<()> {
        Ok(documents::delete(collection, id)?)
    }
}

pub(crate) mod keyvalue {
    //! `wasi:keyvalue`
    use crate::bindings::imports::wasi::keyvalue::{atomics, batch, store};
    use crate::keyvalue::Error;

    impl From<store::Error> for Error {
        fn from(error: store::Error) -> Self {
            match error {
                store::Error::NoSuchStore => Self::NoSuchStore,
                store::Error::AccessDenied => Self::AccessDenied,
                store::Error::Other(message) => Self::Other(message),
            }
        }
    }

    #[derive(Debug)]
    pub(crate) struct Bucket(store::Bucket);

    impl Bucket {
        pub(crate) fn open(name: &str) -> Result<Self, Error> {
            Ok(Self(store::open(name)?))
        }

        pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
            Ok(self.0.get(key)?)
        }

        pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
            Ok(self.0.set(key, value)?)
        }

        pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
            Ok(self.0.delete(key)?)
        }

        pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
            Ok(self.0.exists(key)?)
        }

        pub(crate) fn list_keys(&self, cursor: Option<String>) -> Result<(Vec<String>, Option<String>), Error> {
            let page = self.0.list_keys(cursor.as_deref())?;
            Ok((page.keys, page.cursor))
        }

        pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
            Ok(atomics::increment(&self.0, key, delta)?)
        }

        pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
            let found = batch::get_many(&self.0, keys)?;
            Ok(found.into_iter().map(|(_, value)| value).collect())
        }

        pub(crate) fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
            Ok(batch::set_many(&self.0, entries)?)
        }

        pub(crate) fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
            Ok(batch::delete_many(&self.0, keys)?)
        }
    }
}

pub(crate) mod config {
    //! `wasi:config`
    use std::collections::BTreeMap;

    use crate::bindings::imports::wasi::config::store;
    use crate::{Problem, Result};

    impl From<store::Error> for Problem {
        fn from(error: store::Error) -> Self {
            let (store::Error::Upstream(message) | store::Error::Io(message)) = error;
            Self::other(format!("The settings cannot be read: {message}."))
        }
    }

    pub(crate) fn get(key: &str) -> Result<Option<String>> {
        Ok(store::get(key)?)
    }

    pub(crate) fn get_all() -> Result<BTreeMap<String, String>> {
        Ok(store::get_all()?.into_iter().collect())
    }
}

pub(crate) mod log {
    //! `wasi:logging`
    use crate::bindings::imports::wasi::logging::logging;
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        let level = match level {
            Level::Trace => logging::Level::Trace,
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
            Level::Critical => logging::Level::Critical,
        };
        logging::log(level, "", message);
    }
}

pub(crate) mod request {
    //! `portcullis:plugin/request`
    use crate::bindings::imports::portcullis::plugin::request;
    use crate::request::Identity;

    pub(crate) use request::{has_role, header, id, locale, now_ms};

    pub(crate) fn caller() -> Identity {
        match request::caller() {
            request::Identity::Anonymous => Identity::Anonymous,
            request::Identity::Account(id) => Identity::Account(id),
            request::Identity::Operator => Identity::Operator,
            request::Identity::Host => Identity::Host,
        }
    }
}
