//! Erasing what is kept of attempts to log in that were about nobody: under a hash of the address, or of the account.

use super::*;
use crate::accounts::activity::Subject;
use crate::storage::keyspace::accounts as keys;

const ADDRESS: &str = "ada@example.org";

impl Fixture {
    async fn try_to_log_in(&self) {
        let refused = self.login(ADDRESS, ANOTHER).await.err();
        assert_eq!(refused, Some(Error::BadCredentials));
    }

    /// What is left of an account, as somebody finds it who knows its address.
    async fn left(&self, account: &Account) -> u64 {
        let traces = self.accounts.traces(account.id, Some(&account.address)).await;
        traces.unwrap().left
    }
}

#[tokio::test]
async fn attempts_to_log_in_with_an_address_while_nobody_has_it_are_found_and_go_with_the_account() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    fixture.try_to_log_in().await;
    let ada = fixture.account(ADDRESS).await;
    let stranger = Subject::stranger(ADDRESS).id();
    let before = accounts.traces(ada.id, Some(&ada.address)).await.unwrap();
    let attempts = |place: &&String| place.contains("attempts to log in");
    assert_eq!(before.places.iter().filter(attempts).count(), 2, "{before:?}");
    // More than one commit removes.
    let many = (0..250).map(|number| (keys::event(stranger, Uuid::from_u128(number)), "{}".to_owned()));
    fixture.put(many).await;

    let catalogue = fixture.catalogue().await;
    fixture.begin_erasure(ada.id).await;
    let receipt = loop {
        fixture.try_to_log_in().await;
        if let Some(signed) = accounts.step(&catalogue, ada.id).await.unwrap() {
            break signed.receipt;
        }
    };
    assert!(receipt.removed.activity > 260, "{receipt:?}");
    assert_eq!(fixture.left(&ada).await, 0);
}

#[tokio::test]
async fn the_second_look_finds_attempts_to_log_in_to_an_account_that_has_just_gone() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let ada = fixture.account(ADDRESS).await;
    let catalogue = fixture.catalogue().await;
    accounts.erase(&catalogue, ada.id, &By::console()).await.unwrap();
    assert_eq!(fixture.left(&ada).await, 0);
    fixture.try_to_log_in().await;
    // An authenticator does not know that the account of its passkey is gone.
    let by_passkey = Subject::stranger(&ada.id.to_string());
    let (attempt, client) = ((Act::Login, Method::Passkey), Client::default());
    accounts.note_failure(&by_passkey, attempt, &client).await.unwrap();
    // Somebody asks for a link to an address that nobody has any more.
    accounts.forgot(ADDRESS).await.unwrap();
    assert_eq!(fixture.left(&ada).await, 5);
    fixture.clock.advance(5 * MINUTE_MS);
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(0));
    assert_eq!(fixture.left(&ada).await, 0);
}
