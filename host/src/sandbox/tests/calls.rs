//! What a guest sees of its call, what it can keep, and what is taken from it.

use super::{Bench, body_of, create, generous, guests, invocation, text};
use crate::manifest::Instances;
use crate::sandbox::{Fault, Seed};

/// Writes the digit `$n` and returns it.
const DIGIT: &str = "(func $digit (param i32) (result i32)
    (i32.store8 (i32.const 2048) (i32.add (i32.const 48) (local.get 0)))
    (call $answer (i32.const 2048) (i32.const 1)))";

/// Counts the calls of the instance, and traps at the fifth.
const COUNT: &str = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 5)) (then unreachable))
    (call $digit (global.get $calls))";

async fn count(guest: &crate::sandbox::Guest) -> Result<String, Fault> {
    let finished = create(guest, invocation(generous())).await;
    if let Err(fault) = &finished.result {
        return Err(fault.clone());
    }
    Ok(text(finished))
}

#[tokio::test]
async fn a_fresh_instance_remembers_nothing() {
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks(DIGIT, COUNT)).await;
    for _ in 0..3 {
        assert_eq!(count(&guest).await.unwrap(), "1");
    }
}

#[tokio::test]
async fn a_reused_instance_serves_as_many_calls_as_its_plugin_says() {
    let bench = Bench::new();
    let wasm = guests::hooks(DIGIT, COUNT);
    let guest = bench.sandbox.load(wasm, Instances::Reuse(3)).await.unwrap();
    for expected in ["1", "2", "3", "1", "2"] {
        assert_eq!(count(&guest).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_reused_instance_does_not_survive_a_fault() {
    let bench = Bench::new();
    let wasm = guests::hooks(DIGIT, COUNT);
    let guest = bench.sandbox.load(wasm, Instances::Reuse(1_000)).await.unwrap();
    for expected in ["1", "2", "3", "4"] {
        assert_eq!(count(&guest).await.unwrap(), expected);
    }
    assert!(matches!(count(&guest).await, Err(Fault::Trap { .. })));
    assert_eq!(count(&guest).await.unwrap(), "1");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_random_numbers() {
    let items = r#"(import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))"#;
    // Eight characters of the number, each made printable.
    let body = "(i64.store (i32.const 2048)
            (i64.or (i64.and (call $random) (i64.const 0x3f3f3f3f3f3f3f3f)) (i64.const 0x4040404040404040)))
        (call $answer (i32.const 2048) (i32.const 8))";
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks(items, body)).await;
    let random = async |seed| {
        let mut call = invocation(generous());
        call.seed = seed;
        text(create(&guest, call).await)
    };
    let first = random(Seed::fixed([1; 32])).await;
    assert_eq!(random(Seed::fixed([1; 32])).await, first);
    assert_ne!(random(Seed::fixed([2; 32])).await, first);
    assert_ne!(random(Seed::default()).await, random(Seed::default()).await);
}

#[tokio::test]
async fn the_clocks_show_the_time_of_the_call() {
    let items = r#"
        (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $monotonic (result i64)))
        (import "portcullis:plugin/request@0.1.0" "now-ms" (func $now (result i64)))"#;
    let body = "(call $digit (i64.eq (call $monotonic) (i64.mul (call $now) (i64.const 1000000))))";
    assert_eq!(body_of(&format!("{items} {DIGIT}"), body).await, "1");
}
