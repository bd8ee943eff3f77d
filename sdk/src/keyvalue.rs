//! Private buckets of keys and values (`wasi:keyvalue`), in the call's transaction like the documents.
//!
//! ```
//! use portcullis_sdk::{Result, keyvalue};
//!
//! fn next_number() -> Result<i64> {
//!     Ok(keyvalue::open("numbers")?.increment("invoice", 1)?)
//! }
//! # let host = portcullis_sdk::testing::Host::new();
//! # assert_eq!(host.call(next_number), Ok(1));
//! # assert_eq!(host.call(next_number), Ok(2));
//! ```
//!
//! There is no compare-and-swap here: a call is a serializable transaction, so reading a key and then setting it is
//! atomic as it stands.

use std::fmt;

use crate::{FromJson, Json, Problem, Result, ToJson, host};

/// Why a bucket refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No bucket can have this name.
    NoSuchStore,
    /// This call may not use the bucket.
    AccessDenied,
    /// A limit, or a broken key; the text says which.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchStore => formatter.write_str("there is no such bucket"),
            Self::AccessDenied => formatter.write_str("the bucket may not be used here"),
            Self::Other(message) => formatter.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::other(format!("A key-value operation failed: {error}."))
    }
}

/// Opens a bucket of this plugin; it exists as soon as it has a key.
pub fn open(name: &str) -> Result<Bucket, Error> {
    Ok(Bucket(host::keyvalue::Bucket::open(name)?))
}

/// An open bucket.
#[derive(Debug)]
pub struct Bucket(host::keyvalue::Bucket);

impl Bucket {
    /// The value, or none.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// The value read as JSON, or none.
    pub fn get_json<T: FromJson>(&self, key: &str) -> Result<Option<T>> {
        let Some(bytes) = self.0.get(key)? else { return Ok(None) };
        let broken =
            |error: &dyn fmt::Display| Problem::other(format!("The value of the key {key} is broken: {error}."));
        let text = String::from_utf8(bytes).map_err(|error| broken(&error))?;
        T::from_json(Json::from_host(text))
            .map(Some)
            .map_err(|problem| broken(&problem))
    }

    /// Sets the value.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.0.set(key, value)
    }

    /// Sets the value to a JSON text.
    pub fn set_json(&self, key: &str, value: &(impl ToJson + ?Sized)) -> Result<()> {
        Ok(self.0.set(key, value.to_json()?.as_bytes())?)
    }

    /// Removes the key, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key)
    }

    /// Whether the key is there.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key)
    }

    /// Adds to the number at the key, which starts at 0, and returns the sum.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        self.0.increment(key, delta)
    }

    /// Every key of the bucket, page after page.
    pub fn keys(&self) -> impl Iterator<Item = Result<String, Error>> {
        let mut keys = Vec::new().into_iter();
        let mut next = Some(None);
        std::iter::from_fn(move || {
            loop {
                if let Some(key) = keys.next() {
                    return Some(Ok(key));
                }
                match self.0.list_keys(next.take()?) {
                    Ok((page, cursor)) => {
                        keys = page.into_iter();
                        next = cursor.map(Some);
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// The values of many keys in one call of the host, in the order of the keys.
    pub fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.0.get_many(keys)
    }

    /// Sets many keys in one call of the host.
    pub fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.0.set_many(entries)
    }

    /// Removes many keys in one call of the host.
    pub fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        self.0.delete_many(keys)
    }
}
