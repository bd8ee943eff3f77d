//! Buckets as a guest sees them.

use std::sync::Arc;

use bytes::Bytes;

use super::{Bench, create, fault, generous, guests, invocation, text};
use crate::capabilities::keyvalue::KeyValue;
use crate::manifest::Instances;
use crate::sandbox::{Fault, Invocation};
use crate::storage::engine::Engine;
use crate::storage::memory;
use crate::storage::transaction::{Ended, Transaction};

/// What the guests call. Results are written to 3072; `$bucket` opens the bucket `visits`, `$digit` answers with a digit.
const ITEMS: &str = r#"
    (import "wasi:keyvalue/store@0.2.0-draft2" "open" (func $open (param i32 i32 i32)))
    (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.get" (func $get (param i32 i32 i32 i32)))
    (import "wasi:keyvalue/store@0.2.0-draft2" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
    (import "wasi:keyvalue/store@0.2.0-draft2" "[resource-drop]bucket" (func $drop (param i32)))
    (import "wasi:keyvalue/atomics@0.2.0-draft2" "increment" (func $increment (param i32 i32 i32 i64 i32)))
    (import "wasi:keyvalue/atomics@0.2.0-draft2" "[static]cas.new" (func $compare (param i32 i32 i32 i32)))
    (import "wasi:keyvalue/atomics@0.2.0-draft2" "swap" (func $swap (param i32 i32 i32 i32)))
    (global $kept (mut i32) (i32.const 0))
    (data (i32.const 3000) "visits")
    (data (i32.const 3016) "caller")
    (data (i32.const 3032) "12")
    (func $ok
        (if (i32.load8_u (i32.const 3072)) (then unreachable)))
    (func $bucket (result i32)
        (call $open (i32.const 3000) (i32.const 6) (i32.const 3072))
        (call $ok)
        (i32.load (i32.const 3076)))
    (func $digit (param i32) (result i32)
        (i32.store8 (i32.const 2048) (i32.add (i32.const 48) (local.get 0)))
        (call $answer (i32.const 2048) (i32.const 1)))"#;

/// Adds 1 to the number under `visits` in the bucket `visits`, and answers with the sum.
const COUNT: &str = "
    (call $increment (call $bucket) (i32.const 3000) (i32.const 6) (i64.const 1) (i32.const 3072))
    (call $ok)
    (call $digit (i32.load (i32.const 3080)))";

fn invocation_on(engine: &Arc<dyn Engine>) -> Invocation {
    let mut invocation = invocation(generous());
    invocation.context.transaction = Transaction::begin(Arc::clone(engine), 0);
    invocation
}

fn engine() -> Arc<dyn Engine> {
    Arc::new(memory::open().unwrap())
}

#[tokio::test]
async fn a_guests_increments_are_committed_with_its_call() {
    let (bench, engine) = (Bench::new(), engine());
    let guest = bench.guest(guests::hooks(ITEMS, COUNT)).await;
    for expected in ["1", "2"] {
        // Of two attempts, only the one that is committed counts.
        assert_eq!(text(create(&guest, invocation_on(&engine)).await), expected);
        let mut finished = create(&guest, invocation_on(&engine)).await;
        let transaction = std::mem::replace(
            &mut finished.context.transaction,
            Transaction::begin(Arc::clone(&engine), 0),
        );
        transaction.commit().await.unwrap();
        assert_eq!(text(finished), expected);
    }
}

#[tokio::test]
async fn the_bucket_of_a_caller_without_an_account_is_denied() {
    let body = "
        (call $open (i32.const 3016) (i32.const 6) (i32.const 3072))
        (if (i32.eqz (i32.load8_u (i32.const 3072))) (then unreachable))
        (call $digit (i32.load8_u (i32.const 3076)))";
    // The second case of the error.
    assert_eq!(super::body_of(ITEMS, body).await, "1");
}

#[tokio::test]
async fn a_swap_fails_where_the_call_itself_wrote_in_between_and_can_be_tried_again() {
    let body = "
        (local $bucket i32)
        (local.set $bucket (call $bucket))
        (call $compare (local.get $bucket) (i32.const 3000) (i32.const 6) (i32.const 3072))
        (call $ok)
        (global.set $kept (i32.load (i32.const 3076)))
        (call $set (local.get $bucket) (i32.const 3000) (i32.const 6) (i32.const 3032) (i32.const 1) (i32.const 3072))
        (call $ok)
        (call $swap (global.get $kept) (i32.const 3033) (i32.const 1) (i32.const 3072))
        (if (i32.ne (i32.load8_u (i32.const 3072)) (i32.const 1)) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 3076)) (i32.const 1)) (then unreachable))
        (call $swap (i32.load (i32.const 3080)) (i32.const 3033) (i32.const 1) (i32.const 3072))
        (call $ok)
        (call $get (local.get $bucket) (i32.const 3000) (i32.const 6) (i32.const 3072))
        (call $ok)
        (call $answer (i32.load (i32.const 3080)) (i32.load (i32.const 3084)))";
    assert_eq!(super::body_of(ITEMS, body).await, "2");
}

#[tokio::test]
async fn opening_without_end_is_refused() {
    let body = "(loop $again (drop (call $bucket)) (br $again)) unreachable";
    assert_eq!(fault(ITEMS, body, generous()).await, Fault::HostCalls);
}

#[tokio::test]
async fn a_bucket_that_is_given_back_makes_room() {
    let body = "
        (local $left i32)
        (local.set $left (i32.const 3000))
        (loop $again
            (call $drop (call $bucket))
            (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (call $digit (i32.const 1))";
    assert_eq!(super::body_of(ITEMS, body).await, "1");
}

#[tokio::test]
async fn a_bucket_that_a_reused_instance_keeps_ends_with_its_call() {
    let body = "
        (if (i32.eqz (global.get $kept)) (then
            (global.set $kept (call $bucket))
            (return (call $digit (i32.const 1)))))
        (call $get (global.get $kept) (i32.const 3000) (i32.const 6) (i32.const 3072))
        (call $digit (i32.const 2))";
    let bench = Bench::new();
    let wasm = guests::hooks(ITEMS, body);
    let guest = bench.sandbox.load(wasm, Instances::Reuse(10)).await.unwrap();
    assert_eq!(text(create(&guest, invocation(generous())).await), "1");
    let finished = create(&guest, invocation(generous())).await;
    assert!(matches!(finished.result, Err(Fault::Trap { .. })));
}

#[tokio::test]
async fn a_conflict_ends_the_guest() {
    let (bench, engine) = (Bench::new(), engine());
    let guest = bench.guest(guests::hooks(ITEMS, COUNT)).await;
    let mut call = invocation_on(&engine);
    read_and_change(&mut call, &engine).await;
    let finished = create(&guest, call).await;
    assert!(matches!(finished.result, Err(Fault::Ended(Ended::Conflict(_)))));
}

/// Has the call read a key which then changes under it.
async fn read_and_change(call: &mut Invocation, engine: &Arc<dyn Engine>) {
    let mut buckets = call.context.keyvalue();
    let bucket = buckets.open("other").unwrap();
    buckets.get(&bucket, "key").await.unwrap();
    let mut transaction = Transaction::begin(Arc::clone(engine), 0);
    let mut others = KeyValue {
        transaction: &mut transaction,
        plugin: &call.context.plugin,
        caller: &call.context.caller,
    };
    others.set(&bucket, "key", Bytes::new()).unwrap();
    transaction.commit().await.unwrap();
}
