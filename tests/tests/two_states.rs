//! No call sees two states: sums over many pages, read by a real plugin while others move amounts, are always the same.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use portcullis_tests::{Host, Plugin};
use serde_json::json;

/// More than twenty pages of the plugin; each sum reads all of them.
const ACCOUNTS: usize = 150;
const AMOUNT: i64 = 1_000;
const WRITERS: usize = 8;
const READERS: usize = 4;
/// Sums that each reader has to see.
const SUMS: usize = 25;

/// A long reader among many writers starts again often: it gets the time for it.
const LIMITS: &str = "\n[limits]\ndeadline_ms = 30_000\ncpu_ms = 10_000\nhost_calls = 100_000\n";

#[test]
fn a_sum_over_many_pages_never_changes_on_sled() {
    sums_stay_equal("sled");
}

#[test]
fn a_sum_over_many_pages_never_changes_in_memory() {
    sums_stay_equal("memory");
}

fn sums_stay_equal(engine: &str) {
    let host = Host::init()
        .with_plugin(&Plugin::named("sums").with_more(LIMITS))
        .with_config(&format!("[data]\nengine = \"{engine}\"\n"))
        .start();
    let open = |_| {
        host.post("/api/accounts", &json!({ "amount": AMOUNT }))
            .expect(201)
            .id()
    };
    let accounts: Vec<String> = (0..ACCOUNTS).map(open).collect();
    let done = AtomicBool::new(false);
    let moved = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    moved.fetch_add(u64::from(move_some(&host, &accounts)), Ordering::Relaxed);
                }
            });
        }
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read_sums(&host))).collect();
        let seen: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // Whatever the readers have seen, the writers have to end.
        done.store(true, Ordering::Relaxed);
        for reader in seen {
            reader.expect("every sum that a reader sees is right");
        }
    });
    assert!(moved.into_inner() > 0, "nothing was moved, so nothing was shown");
    assert_sum(&host.get("/api/accounts/sum").expect(200).json());
}

/// Moves an amount between two accounts; whether that was done, or was one conflict too many.
fn move_some(host: &Host, accounts: &[String]) -> bool {
    let random = RandomState::new().hash_one(0);
    let from = random as usize % accounts.len();
    let to = (from + 1 + (random >> 32) as usize % (accounts.len() - 1)) % accounts.len();
    let amount = (random >> 16) as i64 % 100;
    let path = format!("/api/accounts/{}", accounts[from]);
    let answer = host
        .api()
        .patch(&path, &json!({ "to": accounts[to], "amount": amount }));
    match answer.status {
        200 => true,
        _ => {
            answer.expect_problem(503, "contention");
            false
        }
    }
}

fn read_sums(host: &Host) {
    let mut seen = 0;
    for _ in 0..SUMS * 10 {
        let answer = host.get("/api/accounts/sum");
        if answer.status == 200 {
            assert_sum(&answer.json());
            seen += 1;
        } else {
            answer.expect_problem(503, "contention");
        }
        if seen == SUMS {
            return;
        }
    }
    panic!("only {seen} sums could be read among the writers");
}

fn assert_sum(sum: &serde_json::Value) {
    let whole = AMOUNT * i64::try_from(ACCOUNTS).expect("a small number");
    assert_eq!(
        (&sum["amount"], &sum["count"]),
        (&json!(whole), &json!(ACCOUNTS)),
        "a call saw two states: {sum}"
    );
}
