//! The SDK's host in memory refuses what the real one refuses.

use portcullis::capabilities::keyvalue::{MAX_BATCH, MAX_BUCKET_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use portcullis_sdk::keyvalue;
use portcullis_sdk::testing::Host;

#[test]
fn the_limits_of_buckets_are_those_of_the_real_host() {
    let accepts = |bucket: usize, key: usize, value: usize| {
        let set = || Ok(keyvalue::open(&"b".repeat(bucket))?.set(&"k".repeat(key), &vec![0; value])?);
        Host::new().call(set).is_ok()
    };
    assert!(accepts(MAX_BUCKET_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES));
    assert!(!accepts(MAX_BUCKET_BYTES + 1, MAX_KEY_BYTES, MAX_VALUE_BYTES));
    assert!(!accepts(MAX_BUCKET_BYTES, MAX_KEY_BYTES + 1, MAX_VALUE_BYTES));
    assert!(!accepts(MAX_BUCKET_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES + 1));

    let gets = |count: usize| {
        let keys = vec!["k".to_owned(); count];
        Host::new().call(|| Ok(keyvalue::open("b")?.get_many(&keys)?)).is_ok()
    };
    assert_eq!((gets(MAX_BATCH), gets(MAX_BATCH + 1)), (true, false));
}
