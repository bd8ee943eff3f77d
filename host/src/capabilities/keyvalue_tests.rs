//! Tests of the buckets, on the engine in memory.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::capabilities::erasure;
use crate::policy::Account;
use crate::storage::engine::Engine;
use crate::storage::memory;

/// A plugin in the middle of a call by some caller.
struct Call {
    transaction: Transaction,
    plugin: PluginContext,
    caller: Caller,
}

impl Call {
    fn begin(engine: &Arc<dyn Engine>, plugin: &str) -> Self {
        Self::by(engine, plugin, Caller::Anonymous)
    }

    fn by(engine: &Arc<dyn Engine>, plugin: &str, caller: Caller) -> Self {
        let transaction = Transaction::begin(Arc::clone(engine), 0);
        Self {
            transaction,
            plugin: context(plugin, 1 << 30),
            caller,
        }
    }

    fn buckets(&mut self) -> KeyValue<'_> {
        KeyValue {
            transaction: &mut self.transaction,
            plugin: &self.plugin,
            caller: &self.caller,
        }
    }

    async fn commit(self) {
        self.transaction.commit().await.unwrap();
    }
}

fn context(plugin: &str, limit_bytes: u64) -> PluginContext {
    PluginContext {
        name: plugin.into(),
        quota: Some(keyspace::quota(plugin, [], limit_bytes)),
        ..PluginContext::default()
    }
}

fn engine() -> Arc<dyn Engine> {
    Arc::new(memory::open().unwrap())
}

fn account(number: u128) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(number),
        roles: Arc::from([]),
        limits: None,
    })
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Other(_)))
}

#[tokio::test]
async fn a_value_is_there_for_the_next_call_until_it_is_deleted() {
    let engine = engine();
    let mut call = Call::begin(&engine, "shop");
    let bucket = call.buckets().open("carts").unwrap();
    call.buckets().set(&bucket, "one", "first".into()).unwrap();
    call.commit().await;

    let mut call = Call::begin(&engine, "shop");
    assert_eq!(call.buckets().get(&bucket, "one").await.unwrap().unwrap(), "first");
    assert!(call.buckets().exists(&bucket, "one").await.unwrap());
    call.buckets().delete(&bucket, "one").unwrap();
    call.buckets().delete(&bucket, "never").unwrap();
    call.commit().await;

    let mut call = Call::begin(&engine, "shop");
    assert!(!call.buckets().exists(&bucket, "one").await.unwrap());
    assert_eq!(call.buckets().list_keys(&bucket, None).await.unwrap(), (vec![], None));
}

#[tokio::test]
async fn no_bucket_and_no_key_reaches_another() {
    let long = "\u{10FFFF}".repeat(MAX_KEY_BYTES / 4);
    let plugins = ["a", "a-b", "aa", "b"];
    let names = ["a", "aa", "a.b", ".", "..", "-", "b"];
    let keys = [
        "\0",
        "\0b",
        "\0a\0",
        "..",
        "../b/b/b",
        "a",
        "aa",
        "b",
        "\u{7F}",
        "\u{FF}",
        "\u{10FFFF}",
        &long,
    ];
    let engine = engine();
    for plugin in plugins {
        let mut call = Call::begin(&engine, plugin);
        for name in names {
            let bucket = call.buckets().open(name).unwrap();
            for key in keys {
                assert_eq!(
                    call.buckets().get(&bucket, key).await.unwrap(),
                    None,
                    "{plugin} {name} {key:?}"
                );
                call.buckets()
                    .set(&bucket, key, format!("{plugin} {name} {key}").into())
                    .unwrap();
            }
        }
        call.commit().await;
    }
    for plugin in plugins {
        let mut call = Call::begin(&engine, plugin);
        for name in names {
            let bucket = call.buckets().open(name).unwrap();
            let (listed, next) = call.buckets().list_keys(&bucket, None).await.unwrap();
            let mut sorted = keys;
            sorted.sort_unstable();
            assert_eq!((listed.as_slice(), next), (sorted.map(String::from).as_slice(), None));
            for key in keys {
                let value = call.buckets().get(&bucket, key).await.unwrap().unwrap();
                assert_eq!(value, format!("{plugin} {name} {key}"));
            }
        }
    }
}

#[tokio::test]
async fn every_account_has_a_bucket_of_its_own_in_each_plugin() {
    let engine = engine();
    for (plugin, number) in [("shop", 1), ("shop", 2), ("mail", 1)] {
        let mut call = Call::by(&engine, plugin, account(number));
        let bucket = call.buckets().open("caller").unwrap();
        assert_eq!(call.buckets().get(&bucket, "key").await.unwrap(), None);
        call.buckets().set(&bucket, "key", "value".into()).unwrap();
        call.commit().await;
    }
    let mut call = Call::by(&engine, "shop", account(1));
    let bucket = call.buckets().open("caller").unwrap();
    assert_eq!(call.buckets().get(&bucket, "key").await.unwrap().unwrap(), "value");
}

#[tokio::test]
async fn who_has_no_account_has_no_bucket() {
    for caller in [Caller::Anonymous, Caller::Operator] {
        let mut call = Call::by(&engine(), "shop", caller);
        assert_eq!(call.buckets().open("caller"), Err(Error::AccessDenied));
    }
}

#[tokio::test]
async fn the_bucket_of_an_account_cannot_be_named() {
    let engine = engine();
    let mut call = Call::by(&engine, "shop", account(1));
    let Bucket { name } = call.buckets().open("caller").unwrap();
    assert!(is_refused(call.buckets().open(&name)));
}

#[tokio::test]
async fn a_name_a_key_or_a_value_beyond_its_limit_is_refused() {
    let mut call = Call::begin(&engine(), "shop");
    let mut buckets = call.buckets();
    for name in ["", "a b", "a/b", "a\0", "\u{FF}", &"a".repeat(MAX_BUCKET_BYTES + 1)] {
        assert!(is_refused(buckets.open(name)), "{name:?}");
    }
    let bucket = buckets.open(&"a".repeat(MAX_BUCKET_BYTES)).unwrap();
    for key in [String::new(), "k".repeat(MAX_KEY_BYTES + 1)] {
        assert!(is_refused(buckets.get(&bucket, &key).await));
        assert!(is_refused(buckets.set(&bucket, &key, Bytes::new())));
        assert!(is_refused(buckets.delete(&bucket, &key)));
        assert!(is_refused(buckets.increment(&bucket, &key, 1).await));
        assert!(is_refused(buckets.list_keys(&bucket, Some(&key)).await));
    }
    let key = "k".repeat(MAX_KEY_BYTES);
    buckets.set(&bucket, &key, vec![0; MAX_VALUE_BYTES].into()).unwrap();
    assert!(is_refused(buckets.set(
        &bucket,
        &key,
        vec![0; MAX_VALUE_BYTES + 1].into()
    )));
    call.commit().await;
}

#[tokio::test]
async fn keys_are_listed_page_by_page_with_what_the_call_wrote() {
    let engine = engine();
    let names: Vec<String> = (0..=PAGE).map(|number| format!("{number:05}")).collect();
    let mut call = Call::begin(&engine, "shop");
    let bucket = call.buckets().open("carts").unwrap();
    let values = names[..PAGE].iter().map(|name| (name.clone(), Bytes::new())).collect();
    call.buckets().set_many(&bucket, values).unwrap();
    call.commit().await;

    let mut call = Call::begin(&engine, "shop");
    call.buckets().set(&bucket, &names[PAGE], Bytes::new()).unwrap();
    let (first, cursor) = call.buckets().list_keys(&bucket, None).await.unwrap();
    assert_eq!(first, names[..PAGE]);
    let (second, end) = call.buckets().list_keys(&bucket, cursor.as_deref()).await.unwrap();
    assert_eq!((second.as_slice(), end), (&names[PAGE..], None));
}

#[tokio::test]
async fn increments_add_up() {
    let engine = engine();
    let mut call = Call::begin(&engine, "shop");
    let mut buckets = call.buckets();
    let bucket = buckets.open("numbers").unwrap();
    assert_eq!(buckets.increment(&bucket, "n", 5).await, Ok(5));
    assert_eq!(buckets.increment(&bucket, "n", -7).await, Ok(-2));
    assert_eq!(buckets.get(&bucket, "n").await.unwrap().unwrap(), "-2");
    assert_eq!(buckets.increment(&bucket, "low", i64::MIN).await, Ok(i64::MIN));
    assert!(is_refused(buckets.increment(&bucket, "low", -1).await));
    assert_eq!(buckets.increment(&bucket, "low", 0).await, Ok(i64::MIN));
    buckets.set(&bucket, "text", "two".into()).unwrap();
    assert!(is_refused(buckets.increment(&bucket, "text", 1).await));
}

#[tokio::test]
async fn a_swap_writes_only_over_what_it_expects() {
    let mut call = Call::begin(&engine(), "shop");
    let mut buckets = call.buckets();
    let bucket = buckets.open("carts").unwrap();
    let (old, new) = (Bytes::from("old"), Bytes::from("new"));
    assert_eq!(buckets.swap(&bucket, "key", Some(&old), new.clone()).await, Ok(false));
    assert_eq!(buckets.swap(&bucket, "key", None, old.clone()).await, Ok(true));
    assert_eq!(buckets.swap(&bucket, "key", None, new.clone()).await, Ok(false));
    assert_eq!(buckets.swap(&bucket, "key", Some(&old), new.clone()).await, Ok(true));
    assert_eq!(buckets.get(&bucket, "key").await, Ok(Some(new)));
}

#[tokio::test]
async fn a_batch_keeps_the_order_of_its_keys() {
    let mut call = Call::begin(&engine(), "shop");
    let mut buckets = call.buckets();
    let bucket = buckets.open("carts").unwrap();
    let values = [("b", "2"), ("a", "1"), ("a", "3")];
    buckets
        .set_many(
            &bucket,
            values.map(|(key, value)| (key.to_owned(), value.into())).into(),
        )
        .unwrap();
    let keys = ["b", "none", "a", "b"].map(String::from);
    let expected: [Option<Bytes>; 4] = [Some("2".into()), None, Some("3".into()), Some("2".into())];
    assert_eq!(buckets.get_many(&bucket, &keys).await.unwrap(), expected);
    buckets.delete_many(&bucket, &keys).unwrap();
    assert_eq!(
        buckets.get_many(&bucket, &keys).await.unwrap(),
        [None, None, None, None]
    );
}

#[tokio::test]
async fn a_batch_beyond_its_limit_is_refused_whole() {
    let mut call = Call::begin(&engine(), "shop");
    let mut buckets = call.buckets();
    let bucket = buckets.open("carts").unwrap();
    let keys: Vec<String> = (0..=MAX_BATCH).map(|number| number.to_string()).collect();
    assert!(is_refused(buckets.get_many(&bucket, &keys).await));
    assert!(is_refused(buckets.delete_many(&bucket, &keys)));
    let values = keys.into_iter().map(|key| (key, Bytes::new())).collect();
    assert!(is_refused(buckets.set_many(&bucket, values)));
    assert!(call.transaction.is_read_only());
}

#[tokio::test]
async fn what_does_not_fit_the_plugins_limit_is_not_committed() {
    let engine = engine();
    let mut call = Call::begin(&engine, "shop");
    call.plugin = context("shop", 1_000);
    let bucket = call.buckets().open("carts").unwrap();
    call.buckets().set(&bucket, "key", vec![0; 2_000].into()).unwrap();
    assert!(matches!(call.transaction.commit().await, Err(Ended::Full(_))));
}

#[tokio::test]
async fn two_calls_that_increment_the_same_number_conflict() {
    let engine = engine();
    let mut first = Call::begin(&engine, "shop");
    let mut second = Call::begin(&engine, "shop");
    let bucket = first.buckets().open("numbers").unwrap();
    first.buckets().increment(&bucket, "n", 1).await.unwrap();
    second.buckets().increment(&bucket, "n", 1).await.unwrap();
    first.commit().await;
    assert!(matches!(second.transaction.commit().await, Err(Ended::Conflict(_))));
}

#[tokio::test]
async fn a_batch_with_one_bad_key_or_value_is_refused_whole() {
    let mut call = Call::begin(&engine(), "shop");
    let mut buckets = call.buckets();
    let bucket = buckets.open("carts").unwrap();
    let large = Bytes::from(vec![0; MAX_VALUE_BYTES + 1]);
    for (key, value) in [("", Bytes::new()), ("b", large)] {
        let values = vec![("a".to_owned(), Bytes::new()), (key.to_owned(), value)];
        assert!(is_refused(buckets.set_many(&bucket, values)));
    }
    assert!(is_refused(
        buckets.delete_many(&bucket, &["a".to_owned(), String::new()])
    ));
    assert!(call.transaction.is_read_only());
}

#[tokio::test]
async fn a_batch_of_values_too_large_to_be_read_together_is_refused() {
    let engine = engine();
    let most = MAX_BATCH_BYTES / MAX_VALUE_BYTES;
    let keys: Vec<String> = (0..=most).map(|number| number.to_string()).collect();
    let mut call = Call::begin(&engine, "shop");
    let bucket = call.buckets().open("carts").unwrap();
    let value = Bytes::from(vec![0; MAX_VALUE_BYTES]);
    let values = keys.iter().map(|key| (key.clone(), value.clone())).collect();
    call.buckets().set_many(&bucket, values).unwrap();
    call.commit().await;

    let mut call = Call::begin(&engine, "shop");
    let read = call.buckets().get_many(&bucket, &keys[..most]).await.unwrap();
    assert_eq!(read, vec![Some(value); most]);
    assert!(is_refused(call.buckets().get_many(&bucket, &keys).await));
}

#[tokio::test]
async fn what_plugins_keep_of_an_account_is_found_in_its_buckets_alone() {
    let engine = engine();
    let keep = async |plugin: &str, caller: Caller, bucket: &str, keys: usize| {
        let mut call = Call::by(&engine, plugin, caller);
        let bucket = call.buckets().open(bucket).unwrap();
        for number in 0..keys {
            let key = format!("{number:03}");
            call.buckets().set(&bucket, &key, plugin.to_owned().into()).unwrap();
        }
        call.commit().await;
    };
    keep("orders", account(1), "caller", 70).await;
    keep("orders", account(2), "caller", 3).await;
    keep("orders", account(1), "shared", 5).await;
    keep("catalog", account(1), "caller", 1).await;
    keep("search", account(2), "caller", 1).await;

    let plugins = erasure::plugins_with_buckets(&engine).await.unwrap();
    assert_eq!(plugins, ["catalog", "orders", "search"]);
    let mut kept = Vec::new();
    for plugin in &plugins {
        let mut behind = None;
        loop {
            let found = erasure::bucket(&engine, plugin, Uuid::from_u128(1), behind)
                .await
                .unwrap();
            kept.extend(
                found
                    .entries
                    .into_iter()
                    .map(|(key, value)| (plugin.as_str(), key, value)),
            );
            behind = found.last;
            if behind.is_none() {
                break;
            }
        }
    }
    assert_eq!(kept.len(), 71);
    assert_eq!(kept[0], ("catalog", "000".to_owned(), Bytes::from("catalog")));
    assert_eq!(kept[70], ("orders", "069".to_owned(), Bytes::from("orders")));
}
