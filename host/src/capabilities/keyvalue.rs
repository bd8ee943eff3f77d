//! A plugin's private buckets (`wasi:keyvalue`), in the call's transaction.

use bytes::Bytes;
use uuid::Uuid;

use super::context::PluginContext;
use crate::policy::Caller;
use crate::storage::engine::{Direction, Key};
use crate::storage::keyspace;
use crate::storage::transaction::{Ended, Transaction};

/// The longest name of a bucket.
pub const MAX_BUCKET_BYTES: usize = 63;
/// The longest key.
pub const MAX_KEY_BYTES: usize = 512;
/// The largest value.
pub const MAX_VALUE_BYTES: usize = 256 << 10;
/// The most keys of one batch.
pub const MAX_BATCH: usize = 1_000;
/// The most bytes that the values of one batch may have together when they are read.
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// Keys of one page of `list_keys`.
pub const PAGE: usize = 1_000;

/// Why an operation was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no bucket for a caller without an account.
    #[error("the bucket `caller` is there only for callers with an account")]
    AccessDenied,
    /// A limit, or a value that is no number; the sentence is for the plugin's author.
    #[error("{0}")]
    Other(String),
    /// The call can't go on.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// An opened bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
}

/// The buckets of one plugin.
pub struct KeyValue<'a> {
    /// The call's transaction.
    pub transaction: &'a mut Transaction,
    /// Whose buckets.
    pub plugin: &'a PluginContext,
    /// Who calls.
    pub caller: &'a Caller,
}

impl KeyValue<'_> {
    /// Opens a bucket; it need not exist. `caller` is the bucket of the calling account.
    pub fn open(&self, name: &str) -> Result<Bucket, Error> {
        if name == "caller" {
            let account = self.caller.account().ok_or(Error::AccessDenied)?;
            // No bucket that a plugin names holds a colon.
            return Ok(Bucket {
                name: bucket_of(account),
            });
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > MAX_BUCKET_BYTES || !name.bytes().all(allowed) {
            let message = format!("a bucket's name has 1 to {MAX_BUCKET_BYTES} letters, digits, `-`, `_` and `.`");
            return Err(Error::Other(message));
        }
        Ok(Bucket { name: name.to_owned() })
    }

    /// A value.
    pub async fn get(&mut self, bucket: &Bucket, key: &str) -> Result<Option<Bytes>, Error> {
        let key = self.key(bucket, key)?;
        Ok(self.transaction.get(&key).await?)
    }

    /// Writes a value.
    pub fn set(&mut self, bucket: &Bucket, key: &str, value: Bytes) -> Result<(), Error> {
        let key = self.key(bucket, key)?;
        check_value(&value)?;
        self.transaction.put(key, value, None);
        if let Some(quota) = &self.plugin.quota {
            self.transaction.limit(quota.clone());
        }
        Ok(())
    }

    /// Removes a value; it need not exist.
    pub fn delete(&mut self, bucket: &Bucket, key: &str) -> Result<(), Error> {
        let key = self.key(bucket, key)?;
        self.transaction.delete(key);
        Ok(())
    }

    /// Whether there is a value.
    pub async fn exists(&mut self, bucket: &Bucket, key: &str) -> Result<bool, Error> {
        Ok(self.get(bucket, key).await?.is_some())
    }

    /// Up to 1,000 keys behind `cursor`, in order, with the cursor of the next page.
    pub async fn list_keys(
        &mut self,
        bucket: &Bucket,
        cursor: Option<&str>,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let range = keyspace::keyvalue_bucket(&self.plugin.name, &bucket.name);
        let after = cursor.map(|cursor| self.key(bucket, cursor)).transpose()?;
        let rows = self
            .transaction
            .scan_keys(&range, after.as_ref(), PAGE, Direction::Forward)
            .await?;
        let name = |key: &Key| keyspace::keyvalue_name(key, &self.plugin.name, &bucket.name).map(str::to_owned);
        let keys: Vec<String> = rows.iter().filter_map(name).collect();
        let next = if rows.len() == PAGE { keys.last().cloned() } else { None };
        Ok((keys, next))
    }

    /// Adds to a number, kept as decimal text; an absent one counts as 0.
    pub async fn increment(&mut self, bucket: &Bucket, key: &str, delta: i64) -> Result<i64, Error> {
        let current = match self.get(bucket, key).await? {
            None => 0,
            Some(value) => std::str::from_utf8(&value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .ok_or_else(|| Error::Other(format!("the value of {key:?} is no decimal number of 64 bits")))?,
        };
        let next = current
            .checked_add(delta)
            .ok_or_else(|| Error::Other("the number would overflow".to_owned()))?;
        self.set(bucket, key, next.to_string().into())?;
        Ok(next)
    }

    /// Writes a value where the current one is `expected`; otherwise writes nothing and returns false.
    pub async fn swap(
        &mut self,
        bucket: &Bucket,
        key: &str,
        expected: Option<&Bytes>,
        value: Bytes,
    ) -> Result<bool, Error> {
        let is_expected = self.get(bucket, key).await?.as_ref() == expected;
        if is_expected {
            self.set(bucket, key, value)?;
        }
        Ok(is_expected)
    }

    /// Several values, in the order of the keys.
    pub async fn get_many(&mut self, bucket: &Bucket, keys: &[String]) -> Result<Vec<Option<Bytes>>, Error> {
        check_batch(keys.len())?;
        let keys: Vec<Key> = keys.iter().map(|key| self.key(bucket, key)).collect::<Result<_, _>>()?;
        let mut values = Vec::with_capacity(keys.len());
        let mut bytes = 0;
        for keys in keys.chunks(MAX_BATCH_BYTES / MAX_VALUE_BYTES) {
            let read = self.transaction.get_many(keys).await?;
            bytes += read.iter().flatten().map(Bytes::len).sum::<usize>();
            if bytes > MAX_BATCH_BYTES {
                let message = format!("a batch gets at most {MAX_BATCH_BYTES} bytes of values: ask for fewer keys");
                return Err(Error::Other(message));
            }
            values.extend(read);
        }
        Ok(values)
    }

    /// Writes several values, or none of them where one is refused.
    pub fn set_many(&mut self, bucket: &Bucket, values: Vec<(String, Bytes)>) -> Result<(), Error> {
        check_batch(values.len())?;
        for (key, value) in &values {
            self.key(bucket, key)?;
            check_value(value)?;
        }
        values
            .into_iter()
            .try_for_each(|(key, value)| self.set(bucket, &key, value))
    }

    /// Removes several values, or none of them where one is refused.
    pub fn delete_many(&mut self, bucket: &Bucket, keys: &[String]) -> Result<(), Error> {
        check_batch(keys.len())?;
        let keys: Vec<Key> = keys.iter().map(|key| self.key(bucket, key)).collect::<Result<_, _>>()?;
        keys.into_iter().for_each(|key| self.transaction.delete(key));
        Ok(())
    }

    fn key(&self, bucket: &Bucket, key: &str) -> Result<Key, Error> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(Error::Other(format!("a key has 1 to {MAX_KEY_BYTES} bytes")));
        }
        Ok(keyspace::keyvalue(&self.plugin.name, &bucket.name, key))
    }
}

/// What the bucket of an account is called with each plugin.
pub(super) fn bucket_of(account: Uuid) -> String {
    format!("caller:{account}")
}

fn check_value(value: &Bytes) -> Result<(), Error> {
    if value.len() > MAX_VALUE_BYTES {
        let message = format!("a value holds at most {MAX_VALUE_BYTES} bytes: split it over several keys");
        return Err(Error::Other(message));
    }
    Ok(())
}

fn check_batch(keys: usize) -> Result<(), Error> {
    if keys > MAX_BATCH {
        return Err(Error::Other(format!(
            "a batch has at most {MAX_BATCH} keys: make several"
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "keyvalue_tests.rs"]
mod tests;
