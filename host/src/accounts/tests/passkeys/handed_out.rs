//! What is asked of a passkey of nobody yet, which its client keeps.

use super::owner::{Owner, answer};
use crate::accounts::tests::*;

/// Another host.
fn with_other_seed_key() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.accounts.secrets.seeds = SeedKeys::parse("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").unwrap();
    fixture
}

#[tokio::test]
async fn whoever_asks_for_a_passkey_has_nothing_written_and_can_not_make_up_what_they_were_asked() {
    let mut owner = Owner::new().await;
    let rows = async || {
        let mut work = owner.fixture.accounts.begin();
        work.scan(&keyspace::accounts::all(), None, 100).await.unwrap()
    };
    let before = rows().await;
    let (token, options) = owner.fixture.accounts.ask_passkey().unwrap();
    assert_eq!(rows().await, before);
    assert!(token.reveal().len() < 1_000, "{}", token.reveal().len());
    // Of another host, for one.
    let other = with_other_seed_key();
    let foreign = other.accounts.ask_passkey().unwrap().0;
    let own = token.reveal();
    let (key, sealed) = own.split_once('.').unwrap();
    let seed = owner.fixture.accounts.secrets.seeds.hand_out(b"a seed", b"{}").unwrap();
    for forged in [
        foreign.reveal(),
        "",
        "pck_",
        key,
        sealed,
        &own[..own.len() - 1],
        &format!("{own}A"),
        &format!("{key}.{}", "A".repeat(sealed.len())),
        &format!("pck_{seed}"),
    ] {
        let answer = answer(&owner.device.sign(&options));
        let client = Client::default();
        let login = owner.fixture.accounts.login_passkey(forged, &answer, &client).await;
        assert_eq!(login.err(), Some(Error::CeremonySpent), "{forged}");
    }
    let signed = owner.device.sign(&options);
    owner.fixture.finish(&token, &signed).await.unwrap();
}
