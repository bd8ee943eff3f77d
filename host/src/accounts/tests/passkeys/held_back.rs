//! Whoever tries passkeys that are wrong, or passwords, keeps nobody from using the one that is right.

use super::device::Device;
use super::owner::{ADDRESS, Owner};
use crate::accounts::tests::*;

#[tokio::test]
async fn what_others_try_keeps_nobody_from_using_their_passkey() {
    let mut owner = Owner::with(|config| config.attempts.per_account = 3).await;
    let fixture = &owner.fixture;
    let mut stranger = Device::new();
    stranger.owner.clone_from(&owner.device.owner);
    let tried = async |stranger: &mut Device| fixture.log_in_with(stranger).await.err();
    // The password was right once.
    for _ in 0..2 {
        assert_eq!(tried(&mut stranger).await, Some(Error::BadPasskey));
    }
    for _ in 0..3 {
        let held_back = tried(&mut stranger).await;
        assert!(
            matches!(held_back, Some(Error::TooManyAttempts { .. })),
            "{held_back:?}"
        );
    }
    let held_back = fixture.login(ADDRESS, ANOTHER).await.err();
    assert!(
        matches!(held_back, Some(Error::TooManyAttempts { .. })),
        "{held_back:?}"
    );
    let login = fixture.log_in_with(&mut owner.device).await.unwrap();

    let identity = fixture.identity(&login).await.unwrap();
    let options = fixture.accounts.ask_passkey_again(&identity).await.unwrap();
    let signed = super::answer(&owner.device.sign(&options));
    let (proof, client) = (Proof::Passkey(&signed), Client::default());
    fixture
        .accounts
        .reauthenticate(&identity, proof, &client)
        .await
        .unwrap();
}

#[tokio::test]
async fn whoever_has_a_passkey_fills_the_activity_no_faster_than_others() {
    let mut owner = Owner::with(|config| config.attempts.per_account = 3).await;
    let fixture = &owner.fixture;
    let login = fixture.log_in_with(&mut owner.device).await.unwrap();
    let identity = fixture.identity(&login).await.unwrap();
    let client = Client::default();
    // Wrong ones, within a session: what is asked is what a stranger signs.
    let mut stranger = Device::new();
    stranger.owner.clone_from(&owner.device.owner);
    let mut refused = Vec::new();
    for _ in 0..100 {
        let options = fixture.accounts.ask_passkey_again(&identity).await.unwrap();
        let signed = super::answer(&stranger.sign(&options));
        let proved = fixture
            .accounts
            .reauthenticate(&identity, Proof::Passkey(&signed), &client);
        refused.push(proved.await.err().unwrap());
    }
    assert_eq!(refused[0], Error::BadPasskey);
    assert!(
        matches!(refused[99], Error::TooManyAttempts { .. }),
        "{:?}",
        refused[99]
    );
    // Right ones: some are taken for granted, and not any number.
    let mut passed = 0;
    for _ in 0..100 {
        passed += usize::from(fixture.log_in_with(&mut owner.device).await.is_ok());
    }
    assert_eq!(passed, 8, "nine with the one above");
    let events = fixture.accounts.activity(identity.account.id, None, 200).await.unwrap();
    assert!(events.len() < 100, "{}", events.len());
    let held_back = |event: &&Event| event.act == Act::HeldBack && event.method == Some(Method::Passkey);
    assert!(events.iter().any(|event| held_back(&event)));
}

#[tokio::test]
async fn a_passkey_that_was_copied_is_told_of_no_more_often_than_a_right_one() {
    let mut owner = Owner::with(|config| config.attempts.per_account = 3).await;
    let fixture = &owner.fixture;
    owner.device.counter = 41;
    fixture.log_in_with(&mut owner.device).await.unwrap();
    let mut refused = Vec::new();
    for _ in 0..50 {
        owner.device.counter = 7;
        refused.push(fixture.log_in_with(&mut owner.device).await.err().unwrap());
    }
    assert_eq!(refused[0], Error::BadPasskey);
    let account = owner.identity.account.id;
    let events = fixture.accounts.activity(account, None, 200).await.unwrap();
    let told = events.iter().filter(|event| event.act == Act::PasskeyCopied).count();
    assert_eq!(told, 8, "nine with the one that was right");
}
