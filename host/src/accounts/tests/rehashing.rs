//! Stored hashes follow the parameters of the configuration: each with the next login of one who knows the password.

use super::*;
use crate::accounts::account::Record;
use crate::storage::keyspace::accounts as keys;

const ADDRESS: &str = "ada@example.org";

/// The same store under other parameters of argon2.
fn with_memory(fixture: &Fixture, memory_kib: u32) -> Fixture {
    let mut config = config::Accounts::default();
    (config.hashing.memory_kib, config.hashing.iterations) = (memory_kib, 1);
    let (engine, clock) = (Arc::clone(&fixture.accounts.engine), Arc::clone(&fixture.clock));
    Fixture {
        accounts: Accounts::new(engine, Arc::clone(&clock) as _, config, secrets(SEED_KEY)).unwrap(),
        clock,
    }
}

/// The hash that is stored of Ada's password.
async fn stored(fixture: &Fixture) -> String {
    let mut work = fixture.accounts.begin();
    let id: Uuid = work.read(&keys::address(ADDRESS)).await.unwrap().unwrap();
    let record: Record = work.read(&keys::record(id)).await.unwrap().unwrap();
    record.password.unwrap()
}

#[tokio::test]
async fn a_login_rewrites_a_hash_with_other_parameters_and_no_other_hash() {
    let fixture = Fixture::new();
    fixture.account(ADDRESS).await;
    let first = stored(&fixture).await;
    assert!(first.contains("$m=128,"), "{first}");
    fixture.login(ADDRESS, PASSWORD).await.unwrap();
    assert_eq!(stored(&fixture).await, first, "the parameters are the same");

    let dearer = with_memory(&fixture, 256);
    // One who does not know the password changes nothing.
    dearer.login(ADDRESS, ANOTHER).await.unwrap_err();
    assert_eq!(stored(&dearer).await, first);
    let login = dearer.login(ADDRESS, PASSWORD).await.unwrap();
    let second = stored(&dearer).await;
    assert!(second.contains("$m=256,"), "{second}");
    assert!(dearer.identity(&login).await.is_some());

    dearer.login(ADDRESS, PASSWORD).await.unwrap();
    assert_eq!(stored(&dearer).await, second, "it is renewed once");
    dearer.login(ADDRESS, ANOTHER).await.unwrap_err();
    // Cheaper ones are followed as well: what the operator says holds.
    with_memory(&fixture, 128).login(ADDRESS, PASSWORD).await.unwrap();
    assert!(stored(&fixture).await.contains("$m=128,"));
}
