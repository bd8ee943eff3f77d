//! What is done for somebody whom nobody knows is as much as for one who has an account, so that nobody learns from it who has one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::accounts::register::FORGOTTEN;

const KNOWN: &str = "ada@example.org";
const LOCKED: &str = "eve@example.org";
const UNKNOWN: &str = "bob@example.org";

/// Where one has an account, and that of another is locked.
async fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.account(KNOWN).await;
    let locked = fixture.account(LOCKED).await.id;
    let change = Change {
        is_locked: Some(true),
        ..Change::default()
    };
    fixture.accounts.change(locked, &change, &By::console()).await.unwrap();
    fixture
}

/// How many commits something takes, and how many passwords are hashed for it.
async fn cost(fixture: &Fixture, done: impl Future<Output = ()>) -> (u64, u32) {
    let so_far = || {
        let passwords = fixture.accounts.hasher.ran.load(Ordering::Relaxed);
        (fixture.accounts.engine.health().applied, passwords)
    };
    let before = so_far();
    done.await;
    let after = so_far();
    (after.0 - before.0, after.1 - before.1)
}

#[tokio::test]
async fn a_login_that_fails_is_as_much_work_for_a_known_address_as_for_an_unknown_one() {
    let fixture = fixture().await;
    for address in [KNOWN, UNKNOWN, LOCKED, "no address"] {
        let login = async {
            fixture.login(address, ANOTHER).await.unwrap_err();
        };
        assert_eq!(cost(&fixture, login).await, (1, 1), "{address}");
    }
}

#[tokio::test]
async fn a_registration_is_as_much_work_for_a_known_address_as_for_an_unknown_one() {
    let fixture = fixture().await;
    for times in 1..=7 {
        // An address is sent five mails of a kind, and nothing is written of more: whether somebody has it or not.
        let commits = u64::from(times <= 5);
        for address in [KNOWN, UNKNOWN, LOCKED] {
            let registration = async {
                fixture.accounts.register(address, PASSWORD, None).await.unwrap();
            };
            let cost = cost(&fixture, registration).await;
            assert_eq!(cost, (commits, 1), "{address}, {times} times");
        }
    }
}

// The clock stands still, so that nobody waits for what `forgot` waits for.
#[tokio::test(start_paused = true)]
async fn asking_for_a_link_is_as_much_work_for_a_known_address_as_for_an_unknown_one() {
    let fixture = fixture().await;
    for times in 1..=7 {
        let commits = u64::from(times <= 5);
        for address in [KNOWN, UNKNOWN, LOCKED] {
            let asking = async {
                fixture.accounts.forgot(address).await.unwrap();
            };
            let cost = cost(&fixture, asking).await;
            assert_eq!(cost, (commits, 0), "{address}, {times} times");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_link_waits_as_long_whoever_has_the_address() {
    let fixture = fixture().await;
    for address in [KNOWN, UNKNOWN, LOCKED, "no address"] {
        // Only what is waited for moves this clock, to the millisecond after: what else is done takes none of its time.
        let begun = Instant::now();
        fixture.accounts.forgot(address).await.unwrap();
        let took = begun.elapsed();
        let most = FORGOTTEN + Duration::from_millis(2);
        assert!((FORGOTTEN..most).contains(&took), "{address}: {took:?}");
    }
}
