//! `wasi:keyvalue`: the plugin's private buckets, in the call's transaction.

use bytes::Bytes;
use wasmtime::Result as Trapping;
use wasmtime::component::Resource;

use crate::capabilities::keyvalue;
use crate::sandbox::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::sandbox::store::CallState;
use crate::sandbox::trap::Interrupt;
use atomics::CasError;
use keyvalue::Bucket;
use store::{Error, KeyResponse};

/// A compare-and-swap that a guest has begun.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub struct Cas {
    bucket: Bucket,
    key: String,
    /// What the swap compares with.
    current: Option<Bytes>,
}

impl store::Host for CallState {
    async fn open(&mut self, identifier: String) -> Trapping<Result<Resource<Bucket>, Error>> {
        let (context, table) = self.host_call()?;
        Ok(match answer(context.keyvalue().open(&identifier))? {
            Ok(bucket) => Ok(table.push(bucket)?),
            Err(error) => Err(error),
        })
    }
}

impl store::HostBucket for CallState {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Trapping<Result<Option<Vec<u8>>, Error>> {
        let (context, table) = self.host_call()?;
        let value = context.keyvalue().get(table.get(&bucket)?, &key).await;
        answer(value.map(|value| value.map(Vec::from)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Trapping<Result<(), Error>> {
        let (context, table) = self.host_call()?;
        answer(context.keyvalue().set(table.get(&bucket)?, &key, value.into()))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Trapping<Result<(), Error>> {
        let (context, table) = self.host_call()?;
        answer(context.keyvalue().delete(table.get(&bucket)?, &key))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Trapping<Result<bool, Error>> {
        let (context, table) = self.host_call()?;
        answer(context.keyvalue().exists(table.get(&bucket)?, &key).await)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Trapping<Result<KeyResponse, Error>> {
        let (context, table) = self.host_call()?;
        let page = context
            .keyvalue()
            .list_keys(table.get(&bucket)?, cursor.as_deref())
            .await;
        answer(page.map(|(keys, cursor)| KeyResponse { keys, cursor }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> Trapping<()> {
        // A handle kept from an earlier call has nothing behind it any more.
        let _ = self.table().delete(bucket);
        Ok(())
    }
}

impl atomics::Host for CallState {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: i64) -> Trapping<Result<i64, Error>> {
        let (context, table) = self.host_call()?;
        answer(context.keyvalue().increment(table.get(&bucket)?, &key, delta).await)
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> Trapping<Result<(), CasError>> {
        let (context, table) = self.host_call()?;
        let Cas { bucket, key, current } = table.delete(cas)?;
        let mut buckets = context.keyvalue();
        let swapped = buckets.swap(&bucket, &key, current.as_ref(), value.into()).await;
        match answer(swapped)? {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => {}
            Err(error) => return Ok(Err(CasError::StoreError(error))),
        }
        // The call itself has written to the key in between: what others write ends the call.
        Ok(Err(match answer(buckets.get(&bucket, &key).await)? {
            Ok(current) => CasError::CasFailed(table.push(Cas { bucket, key, current })?),
            Err(error) => CasError::StoreError(error),
        }))
    }
}

impl atomics::HostCas for CallState {
    async fn new(&mut self, bucket: Resource<Bucket>, key: String) -> Trapping<Result<Resource<Cas>, Error>> {
        let (context, table) = self.host_call()?;
        let bucket = table.get(&bucket)?.clone();
        Ok(match answer(context.keyvalue().get(&bucket, &key).await)? {
            Ok(current) => Ok(table.push(Cas { bucket, key, current })?),
            Err(error) => Err(error),
        })
    }

    async fn current(&mut self, cas: Resource<Cas>) -> Trapping<Result<Option<Vec<u8>>, Error>> {
        let (_, table) = self.host_call()?;
        Ok(Ok(table.get(&cas)?.current.as_ref().map(|current| current.to_vec())))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> Trapping<()> {
        let _ = self.table().delete(cas);
        Ok(())
    }
}

impl batch::Host for CallState {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Trapping<Result<Vec<(String, Option<Vec<u8>>)>, Error>> {
        let (context, table) = self.host_call()?;
        let values = context.keyvalue().get_many(table.get(&bucket)?, &keys).await;
        answer(values.map(|values| {
            let values = values.into_iter().map(|value| value.map(Vec::from));
            keys.into_iter().zip(values).collect()
        }))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Trapping<Result<(), Error>> {
        let (context, table) = self.host_call()?;
        let values = key_values.into_iter().map(|(key, value)| (key, value.into())).collect();
        answer(context.keyvalue().set_many(table.get(&bucket)?, values))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Trapping<Result<(), Error>> {
        let (context, table) = self.host_call()?;
        answer(context.keyvalue().delete_many(table.get(&bucket)?, &keys))
    }
}

/// What the guest hears. A transaction that has ended ends the guest.
fn answer<T>(result: Result<T, keyvalue::Error>) -> Trapping<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(keyvalue::Error::AccessDenied) => Ok(Err(Error::AccessDenied)),
        Err(keyvalue::Error::Other(message)) => Ok(Err(Error::Other(message))),
        Err(keyvalue::Error::Ended(ended)) => Err(Interrupt::raise(ended)),
    }
}
