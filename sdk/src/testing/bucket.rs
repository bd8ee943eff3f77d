//! A bucket of the host in memory (`wasi:keyvalue`), with the limits of the real host.

use std::collections::BTreeMap;

use super::current::with;
use crate::keyvalue::Error;
use crate::request::Identity;

/// The longest name of a bucket.
const MAX_BUCKET_BYTES: usize = 63;
/// The longest key.
const MAX_KEY_BYTES: usize = 512;
/// The largest value.
const MAX_VALUE_BYTES: usize = 256 << 10;
/// The most keys of one batch.
const MAX_BATCH: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Bucket(String);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, Error> {
        if name == "caller" {
            return with(|state| match &state.request.caller {
                Identity::Account(id) => Ok(Self(format!("caller:{id}"))),
                Identity::Anonymous | Identity::Operator | Identity::Host => Err(Error::AccessDenied),
            });
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=MAX_BUCKET_BYTES).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::Other(format!(
            "a bucket's name has 1 to {MAX_BUCKET_BYTES} letters, digits, `-`, `_` and `.`"
        )))
    }

    fn with<T>(&self, action: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        with(|state| action(state.stored.buckets.entry(self.0.clone()).or_default()))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        check_key(key)?;
        Ok(self.with(|bucket| bucket.get(key).cloned()))
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        check_key(key)?;
        check_value(value)?;
        self.with(|bucket| bucket.insert(key.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), Error> {
        check_key(key)?;
        self.with(|bucket| bucket.remove(key));
        Ok(())
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.get(key)?.is_some())
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
        check_batch(keys.len())?;
        keys.iter().map(|key| self.get(key)).collect()
    }

    pub(crate) fn set_many(&self, entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
        check_batch(entries.len())?;
        // All of it or nothing.
        for (key, value) in entries {
            check_key(key)?;
            check_value(value)?;
        }
        entries.iter().try_for_each(|(key, value)| self.set(key, value))
    }

    pub(crate) fn delete_many(&self, keys: &[String]) -> Result<(), Error> {
        check_batch(keys.len())?;
        keys.iter().try_for_each(|key| check_key(key))?;
        keys.iter().try_for_each(|key| self.delete(key))
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    Err(Error::Other(format!("a key has 1 to {MAX_KEY_BYTES} bytes")))
}

fn check_value(value: &[u8]) -> Result<(), Error> {
    if value.len() <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(Error::Other(format!("a value has at most {MAX_VALUE_BYTES} bytes")))
}

fn check_batch(keys: usize) -> Result<(), Error> {
    if keys <= MAX_BATCH {
        return Ok(());
    }
    Err(Error::Other(format!("a batch has at most {MAX_BATCH} keys")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn what_the_real_host_refuses_is_refused_here() {
        let called = Host::new().call(|| {
            for name in ["", "caller:me", "a/b", &"x".repeat(64)] {
                assert!(Bucket::open(name).is_err(), "{name}");
            }
            assert_eq!(Bucket::open("caller").err(), Some(Error::AccessDenied));
            let bucket = Bucket::open("numbers")?;
            assert!(bucket.set("", b"").is_err());
            assert!(bucket.get(&"k".repeat(513)).is_err());
            assert!(bucket.set("large", &vec![0; MAX_VALUE_BYTES + 1]).is_err());
            assert!(bucket.get_many(&vec!["k".to_owned(); 1_001]).is_err());
            Ok(bucket.set("large", &vec![0; MAX_VALUE_BYTES])?)
        });
        assert_eq!(called, Ok(()));
    }
}
