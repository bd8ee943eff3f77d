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
