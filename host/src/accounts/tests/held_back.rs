//! What is written down of attempts that are held back, and what is not worked for.

use super::*;
use crate::accounts::activity::Act;

const ADDRESS: &str = "ada@example.org";

/// The link of the newest mail that waits.
async fn reset_link(fixture: &Fixture) -> String {
    fixture.accounts.forgot(ADDRESS).await.unwrap();
    let outbox = crate::storage::outbox::Outbox::of(Arc::clone(&fixture.accounts.engine));
    let waiting = outbox.list(false, 100).await.unwrap();
    let mut paths = waiting
        .iter()
        .filter_map(|entry| entry.payload["link"]["path"].as_str());
    let link = paths.next_back().expect("a mail with a link waits");
    link.split_once("token=").expect("the link has a token").1.to_owned()
}

#[tokio::test]
async fn attempts_that_are_held_back_are_in_the_activity() {
    let fixture = Fixture::with(|config| config.attempts.per_account = 3);
    let account = fixture.account(ADDRESS).await;
    for _ in 0..3 {
        assert_eq!(fixture.login(ADDRESS, ANOTHER).await.err(), Some(Error::BadCredentials));
    }
    for address in [ADDRESS, "nobody@example.org"] {
        for _ in 0..3 {
            let _ = fixture.login(address, ANOTHER).await;
        }
        let before = fixture.accounts.engine.health().applied;
        let refused = fixture.login(address, ANOTHER).await.err();
        assert!(matches!(refused, Some(Error::TooManyAttempts { .. })), "{refused:?}");
        let written = fixture.accounts.engine.health().applied - before;
        assert_eq!(written, 1, "as much for one whom nobody knows: {address}");
    }
    let events = fixture.accounts.activity(account.id, None, 100).await.unwrap();
    let acts: Vec<Act> = events.iter().rev().map(|event| event.act).collect();
    assert_eq!(acts[..3], [Act::Login; 3]);
    assert_eq!(acts[3..], [Act::HeldBack; 4]);
    // Not each time for ever.
    for _ in 0..200 {
        let _ = fixture.login(ADDRESS, ANOTHER).await;
    }
    let events = fixture.accounts.activity(account.id, None, 200).await.unwrap();
    assert!(events.len() < 80, "{}", events.len());
}

#[tokio::test]
async fn whoever_sets_a_password_with_a_link_is_not_held_back_by_what_was_tried_before() {
    let fixture = Fixture::with(|config| config.attempts.per_account = 3);
    fixture.account(ADDRESS).await;
    // Ada, and somebody behind the same address of the network.
    let client = Client {
        address: Some([192, 0, 2, 1].into()),
        agent: None,
    };
    fixture.login_from(ADDRESS, &client).await;
    for _ in 0..5 {
        fixture.accounts.login(ADDRESS, ANOTHER, &client).await.unwrap_err();
    }
    let held_back = fixture.accounts.login(ADDRESS, PASSWORD, &client).await.err();
    assert!(
        matches!(held_back, Some(Error::TooManyAttempts { .. })),
        "{held_back:?}"
    );
    let token = reset_link(&fixture).await;
    fixture.accounts.reset(&token, PASSWORD, &client).await.unwrap();
    fixture.login_from(ADDRESS, &client).await;
}

#[tokio::test]
async fn whoever_is_held_back_has_only_so_much_written_whatever_address_they_name() {
    let fixture = Fixture::with(|config| config.attempts.per_network = 5);
    let client = Client {
        address: Some([192, 0, 2, 1].into()),
        agent: None,
    };
    let before = fixture.accounts.engine.health().applied;
    for number in 0..1_000 {
        let address = format!("nobody{number}@example.org");
        let refused = fixture.accounts.login(&address, ANOTHER, &client).await.err();
        assert_eq!(
            matches!(refused, Some(Error::TooManyAttempts { .. })),
            number >= 5,
            "{refused:?}"
        );
    }
    let written = fixture.accounts.engine.health().applied - before;
    assert!((60..80).contains(&written), "{written}");
}

#[tokio::test]
async fn what_somebody_does_with_the_account_keeps_no_link_from_working() {
    let fixture = Fixture::new();
    let identity = fixture.member(ADDRESS).await;
    let token = reset_link(&fixture).await;
    let client = Client::default();
    let mut last = Ok(Vec::new());
    for _ in 0..30 {
        last = fixture.accounts.renew_recovery(&identity, &client).await;
    }
    assert!(matches!(last, Err(Error::TooManyAttempts { .. })), "{last:?}");
    assert_eq!(fixture.accounts.reset(&token, ANOTHER, &client).await, Ok(()));
}

#[tokio::test]
async fn a_password_is_made_neither_of_the_person_nor_of_the_host() {
    let fixture = Fixture::new();
    for bad in ["shop.example.org 7", "Augusta King King"] {
        let registered = fixture
            .accounts
            .register(ADDRESS, bad, Some("Augusta King".to_owned()))
            .await;
        assert!(matches!(registered, Err(Error::Invalid(_))), "{bad}: {registered:?}");
    }
    // Others may have them.
    for good in ["firm.example.net 7", "Amadea Lord Lord"] {
        let registered = fixture.accounts.register(ADDRESS, good, None).await;
        assert!(registered.is_ok(), "{good}: {registered:?}");
    }
}

#[tokio::test]
async fn a_link_is_no_way_to_have_passwords_hashed_again_and_again() {
    let fixture = Fixture::new();
    fixture.account(ADDRESS).await;
    let token = reset_link(&fixture).await;
    let client = Client::default();
    let ran = || fixture.accounts.hasher.ran.load(std::sync::atomic::Ordering::Relaxed);
    let before = ran();
    // Long enough only with a second factor, which the account has not.
    let tried = async || fixture.accounts.reset(&token, "k3#vQ9!zRw", &client).await;
    let refused = tried().await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let mut last = refused;
    for _ in 0..20 {
        last = tried().await;
    }
    assert!(matches!(last, Err(Error::TooManyAttempts { .. })), "{last:?}");
    assert_eq!(ran(), before, "nothing was hashed");
}
