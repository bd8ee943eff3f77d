//! Each limit has its fault, and a guest that keeps within all of them is left alone.

use std::time::{Duration, Instant};

use super::{Bench, create, fault, generous, guests, invocation, text};
use crate::sandbox::{CallLimits, Fault};

const LOOP: &str = "(loop $again (br $again)) unreachable";

#[tokio::test]
async fn a_guest_within_its_limits_is_answered() {
    let bench = Bench::new();
    let guest = bench.guest(guests::echo()).await;
    let finished = create(&guest, invocation(generous())).await;
    assert_eq!(text(finished), r#"{"name":"it"}"#);
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_cpu_time() {
    let limits = CallLimits {
        cpu: Duration::from_millis(20),
        ..generous()
    };
    assert_eq!(fault("", LOOP, limits).await, Fault::Cpu);
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_deadline() {
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks("", LOOP)).await;
    let mut late = invocation(generous());
    late.deadline = Instant::now();
    assert_eq!(create(&guest, late).await.result, Err(Fault::Deadline));
}

#[tokio::test]
async fn a_guest_that_computes_lets_other_tasks_run() {
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks("", LOOP)).await;
    let limits = CallLimits {
        cpu: Duration::from_millis(500),
        ..generous()
    };
    // One thread runs both: the second ends first only because the first one yields.
    let turns = async {
        let mut turns = 0;
        loop {
            tokio::task::yield_now().await;
            turns += 1;
            if turns == 3 {
                return turns;
            }
        }
    };
    let mut looping = Box::pin(create(&guest, invocation(limits)));
    let turns = tokio::select! {
        biased;
        _ = &mut looping => panic!("the loop ended first"),
        turns = turns => turns,
    };
    assert_eq!(turns, 3);
    assert_eq!(looping.await.result, Err(Fault::Cpu));
}

#[tokio::test]
async fn endless_recursion_overflows_the_stack() {
    let items = "(func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))";
    assert_eq!(
        fault(items, "(call $deeper (i32.const 0))", generous()).await,
        Fault::Stack
    );
}

#[tokio::test]
async fn a_memory_bomb_is_refused_and_named_when_it_traps() {
    let bomb = "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable";
    let limits = CallLimits {
        memory_bytes: 4 * 1_024 * 1_024,
        ..generous()
    };
    assert_eq!(fault("", bomb, limits).await, Fault::Memory);
}

#[tokio::test]
async fn a_guest_may_live_with_less_memory() {
    let modest = "(drop (memory.grow (i32.const 200))) (call $answer (local.get 2) (local.get 3))";
    let bench = Bench::new();
    let guest = bench.guest(guests::hooks("", modest)).await;
    let limits = CallLimits {
        memory_bytes: 1_024 * 1_024,
        ..generous()
    };
    assert_eq!(text(create(&guest, invocation(limits)).await), r#"{"name":"it"}"#);
}

#[tokio::test]
async fn more_initial_memory_than_the_limit_is_a_memory_fault() {
    let limits = CallLimits {
        memory_bytes: 64 * 1_024,
        ..generous()
    };
    assert_eq!(fault("", "unreachable", limits).await, Fault::Memory);
}

#[tokio::test]
async fn a_table_bomb_is_refused_and_named_when_it_traps() {
    let bomb = "(loop $more (br_if $more (i32.ge_s (table.grow $t (ref.null func) (i32.const 500)) (i32.const 0))))
        unreachable";
    assert_eq!(fault("(table $t 1 funcref)", bomb, generous()).await, Fault::Table);
}

#[tokio::test]
async fn a_huge_answer_is_refused() {
    let huge = "(drop (memory.grow (i32.const 100))) (call $answer (i32.const 0) (i32.const 5000000))";
    assert_eq!(fault("", huge, generous()).await, Fault::Output);
}

#[tokio::test]
async fn an_answer_too_large_for_any_limit_is_refused_before_it_is_copied() {
    let huge = "(drop (memory.grow (i32.const 200))) (call $answer (i32.const 0) (i32.const 12000000))";
    let limits = CallLimits {
        output_bytes: usize::MAX,
        ..generous()
    };
    assert_eq!(fault("", huge, limits).await, Fault::Output);
}

#[tokio::test]
async fn too_many_host_calls_are_refused() {
    let items = r#"(import "portcullis:plugin/request@0.1.0" "now-ms" (func $now (result i64)))"#;
    let calls = "(loop $again (drop (call $now)) (br $again)) unreachable";
    assert_eq!(fault(items, calls, generous()).await, Fault::HostCalls);
}

#[tokio::test]
async fn sleeping_is_denied_at_once() {
    let items =
        r#"(import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $sleep (param i64) (result i32)))"#;
    let hour = "(drop (call $sleep (i64.const 3600000000000))) unreachable";
    assert!(matches!(fault(items, hour, generous()).await, Fault::Denied(_)));
}

#[tokio::test]
async fn a_trap_is_named() {
    let Fault::Trap { message } = fault(
        "",
        "(drop (i32.div_u (i32.const 1) (i32.const 0))) unreachable",
        generous(),
    )
    .await
    else {
        panic!("no trap");
    };
    assert_eq!(message, "wasm trap: integer divide by zero");
}
