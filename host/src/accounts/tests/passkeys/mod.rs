//! Passkeys over a real store, with a device in software: what a signature is good for, and that it is good once. A real browser
//! does the same in tests/peers.

mod device;
mod handed_out;
mod held_back;
mod owner;

use serde_json::{Value, json};

use super::*;
use crate::accounts::passkeys::MAX_PASSKEYS;
use crate::capabilities::catalogue::Catalogue;
use crate::storage::outbox::Outbox;
use device::Device;
use owner::{ADDRESS, Owner, answer};

#[tokio::test]
async fn a_passkey_logs_in_without_a_password_and_its_answer_counts_once() {
    let mut owner = Owner::new().await;
    let fixture = &owner.fixture;
    let (token, options) = fixture.accounts.ask_passkey().unwrap();
    assert_eq!(options["allowCredentials"], json!([]));
    let signed = owner.device.sign(&options);
    let login = fixture.finish(&token, &signed).await.unwrap();
    assert_eq!(login.account, owner.identity.account);
    assert_eq!(
        (owner.newest().await.method, owner.newest().await.is_success),
        (Some(Method::Passkey), true)
    );
    assert_eq!(fixture.finish(&token, &signed).await.err(), Some(Error::CeremonySpent));
    // Nor does it count for what is asked afterwards.
    let (another, _) = fixture.accounts.ask_passkey().unwrap();
    assert_eq!(fixture.finish(&another, &signed).await.err(), Some(Error::BadPasskey));
    let held = fixture.accounts.passkeys(login.account.id).await.unwrap();
    assert_eq!(held[0].used_ms, Some(fixture.clock.now_ms()));
}

#[tokio::test]
async fn of_many_who_send_one_answer_at_a_time_exactly_one_is_logged_in() {
    let mut owner = Owner::new().await;
    let (token, options) = owner.fixture.accounts.ask_passkey().unwrap();
    let signed = owner.device.sign(&options);
    let sent = (0..10).map(|_| owner.fixture.finish(&token, &signed));
    let done = futures_util::future::join_all(sent).await;
    assert_eq!(done.iter().filter(|login| login.is_ok()).count(), 1);
    assert!(
        done.iter()
            .flat_map(|login| login.as_ref().err())
            .all(|error| *error == Error::CeremonySpent)
    );
}

#[tokio::test]
async fn nobody_is_told_what_is_wrong_with_the_answer_of_a_passkey() {
    let mut owner = Owner::new().await;
    let mut stranger = Device::new();
    let fixture = &owner.fixture;
    // It says that it is Ada's, or nobody's.
    for claimed in [
        owner.device.owner.clone(),
        Uuid::now_v7().as_bytes().to_vec(),
        Vec::new(),
    ] {
        stranger.owner = claimed;
        assert_eq!(fixture.log_in_with(&mut stranger).await.err(), Some(Error::BadPasskey));
    }
    let lies: [fn(&mut Device); 5] = [
        |device| device.origin = "https://shop.example.com".to_owned(),
        |device| device.origin = "http://shop.example.org".to_owned(),
        |device| device.origin = "https://www.shop.example.org".to_owned(),
        |device| device.is_framed = true,
        |device| device.is_verified = false,
    ];
    for lie in lies {
        lie(&mut owner.device);
        assert_eq!(
            fixture.log_in_with(&mut owner.device).await.err(),
            Some(Error::BadPasskey)
        );
        (owner.device.origin, owner.device.is_framed, owner.device.is_verified) =
            ("https://shop.example.org".to_owned(), false, true);
    }
    assert!(fixture.log_in_with(&mut owner.device).await.is_ok());
    let locked = Change {
        is_locked: Some(true),
        ..Change::default()
    };
    let account = owner.identity.account.id;
    fixture.accounts.change(account, &locked, &By::console()).await.unwrap();
    assert_eq!(
        fixture.log_in_with(&mut owner.device).await.err(),
        Some(Error::BadPasskey)
    );
}

#[tokio::test]
async fn an_answer_that_comes_too_late_or_for_another_ceremony_counts_for_nothing() {
    let mut owner = Owner::new().await;
    let fixture = &owner.fixture;
    let (token, options) = fixture.accounts.ask_passkey().unwrap();
    let signed = owner.device.sign(&options);
    fixture.clock.advance(5 * MINUTE_MS);
    assert_eq!(fixture.finish(&token, &signed).await.err(), Some(Error::CeremonySpent));

    // What a session has asked with is no login, although its token is known to the one who tries.
    let login = fixture.log_in_with(&mut owner.device).await.unwrap();
    let identity = fixture.identity(&login).await.unwrap();
    let options = fixture.accounts.ask_passkey_again(&identity).await.unwrap();
    let signed = owner.device.sign(&options);
    assert_eq!(
        fixture.finish(&login.token, &signed).await.err(),
        Some(Error::CeremonySpent)
    );
    // What a passkey is made with is answered by no signature.
    fixture.accounts.passkey_options(&identity).await.unwrap();
    let signed = answer(&owner.device.sign(&options));
    let proved = fixture
        .accounts
        .reauthenticate(&identity, Proof::Passkey(&signed), &Client::default())
        .await;
    assert_eq!(proved.err(), Some(Error::BadPasskey));
}

#[tokio::test]
async fn a_counter_that_goes_backwards_is_refused_and_its_owner_reads_of_it() {
    let mut owner = Owner::new().await;
    owner.device.counter = 41;
    owner.fixture.log_in_with(&mut owner.device).await.unwrap();
    for counter in [41, 7] {
        owner.device.counter = counter;
        let refused = owner.fixture.log_in_with(&mut owner.device).await;
        assert_eq!(refused.err(), Some(Error::BadPasskey));
        let account = owner.identity.account.id;
        let events = owner.fixture.accounts.activity(account, None, 2).await.unwrap();
        let acts: Vec<Act> = events.iter().map(|event| event.act).collect();
        assert_eq!(acts, [Act::Login, Act::PasskeyCopied]);
    }
    owner.device.counter = 42;
    assert!(owner.fixture.log_in_with(&mut owner.device).await.is_ok());
}

#[tokio::test]
async fn a_password_asks_for_the_passkey_that_an_account_has() {
    let mut owner = Owner::new().await;
    let challenge = owner.challenge().await;
    assert_eq!(challenge.methods, [Method::Passkey, Method::Recovery]);
    let accounts = &owner.fixture.accounts;
    let token = challenge.token.reveal();
    let options = accounts.ask_passkey_as_second(token).await.unwrap();
    assert_eq!(options["allowCredentials"].as_array().map(Vec::len), Some(1));
    let signed = owner.device.sign(&options);
    // Those for another login are no answer to this one.
    let other = owner.challenge().await;
    assert_eq!(owner.answer(&other, &signed).await.err(), Some(Error::CeremonySpent));
    let login = owner.answer(&challenge, &signed).await.unwrap();
    assert!(owner.fixture.identity(&login).await.is_some());
    assert_eq!(
        owner.answer(&challenge, &signed).await.err(),
        Some(Error::ChallengeSpent)
    );
}

#[tokio::test]
async fn the_passkey_of_somebody_else_is_no_second_factor() {
    let owner = Owner::new().await;
    let mut other = Device::new();
    let mut eve = owner.fixture.member("eve@example.org").await;
    owner.fixture.add(&mut eve, &mut other).await.unwrap();
    for claimed in [other.owner.clone(), owner.device.owner.clone()] {
        other.owner = claimed;
        let challenge = owner.challenge().await;
        let token = challenge.token.reveal();
        let options = owner.fixture.accounts.ask_passkey_as_second(token).await.unwrap();
        let answered = owner.answer(&challenge, &other.sign(&options)).await;
        assert_eq!(answered.err(), Some(Error::BadPasskey));
    }
}

#[tokio::test]
async fn a_passkey_proves_again_who_acts() {
    let mut owner = Owner::new().await;
    let accounts = &owner.fixture.accounts;
    owner.fixture.clock.advance(6 * MINUTE_MS);
    assert_eq!(
        accounts.passkey_options(&owner.identity).await.err(),
        Some(Error::NotRecent)
    );
    let options = accounts.ask_passkey_again(&owner.identity).await.unwrap();
    let signed = answer(&owner.device.sign(&options));
    let client = Client::default();
    let proved = accounts.reauthenticate(&owner.identity, Proof::Passkey(&signed), &client);
    let identity = owner.fixture.identity(&proved.await.unwrap()).await.unwrap();
    assert!(accounts.passkey_options(&identity).await.is_ok());
    let again = accounts
        .reauthenticate(&identity, Proof::Passkey(&signed), &client)
        .await;
    assert_eq!(again.err(), Some(Error::BadPasskey));
}

#[tokio::test]
async fn what_makes_a_passkey_is_used_once_and_by_the_session_that_asked() {
    let fixture = Fixture::new();
    let (ada, eve) = (fixture.member(ADDRESS).await, fixture.member("eve@example.org").await);
    let mut device = Device::new();
    let options = fixture.accounts.passkey_options(&ada).await.unwrap();
    let made = device.make(&options);
    let add = async |identity: &Identity, made: &Value| {
        let new = NewPasskey::read(None, made)?;
        fixture.accounts.add_passkey(identity, &new, &Client::default()).await
    };
    assert_eq!(add(&eve, &made).await.err(), Some(Error::CeremonySpent));
    // A page elsewhere has asked for it. The options are used up.
    device.origin = "https://shop.example.com".to_owned();
    assert_eq!(add(&ada, &device.make(&options)).await.err(), Some(Error::BadPasskey));
    assert_eq!(add(&ada, &made).await.err(), Some(Error::CeremonySpent));
    device.origin = "https://shop.example.org".to_owned();
    let made = device.make(&fixture.accounts.passkey_options(&ada).await.unwrap());
    assert_eq!(add(&ada, &made).await.err(), None);
}

#[tokio::test]
async fn an_account_has_each_passkey_once_and_only_so_many() {
    let mut owner = Owner::new().await;
    let again = owner.fixture.add(&mut owner.identity, &mut owner.device).await;
    assert_eq!(again.err(), Some(Error::BadPasskey));
    for _ in 1..MAX_PASSKEYS {
        let added = owner
            .fixture
            .add(&mut owner.identity, &mut Device::new())
            .await
            .unwrap();
        assert!(added.recovery_codes.is_none(), "those of the first one hold");
    }
    let more = owner.fixture.add(&mut owner.identity, &mut Device::new()).await;
    assert!(matches!(more.err(), Some(Error::Conflict(_))));
}

#[tokio::test]
async fn what_is_no_answer_of_a_browser_is_refused_with_what_is_wrong() {
    let options = Owner::new().await.fixture.accounts.ask_passkey().unwrap().1;
    let good = Device::new().sign(&options);
    for (pointer, value) in [
        ("/response", json!(null)),
        ("/response/signature", json!("no base64url!")),
        ("/rawId", json!(7)),
        ("/id", json!("A".repeat(20_000))),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let refused = PasskeyAnswer::read(&bad, "/credential").err();
        let Some(Error::Invalid(violations)) = refused else {
            panic!("{pointer}: {refused:?}");
        };
        assert_eq!(violations[0].pointer, "/credential");
        assert!(violations[0].message.contains("toJSON"), "{violations:?}");
    }
    for name in [String::new(), "a\nb".to_owned(), "a".repeat(201)] {
        let refused = NewPasskey::read(Some(name), &json!({})).err();
        assert!(matches!(refused, Some(Error::Invalid(violations)) if violations[0].pointer == "/name"));
    }
}

#[tokio::test]
async fn a_passkey_that_is_removed_is_asked_for_no_more_and_its_owner_is_told() {
    let mut owner = Owner::new().await;
    let accounts = &owner.fixture.accounts;
    let client = Client::default();
    accounts
        .change_password(&owner.identity, "k3#vQ9!z", &client)
        .await
        .unwrap();
    let login = owner.fixture.log_in_with(&mut owner.device).await.unwrap();
    owner.identity = owner.fixture.identity(&login).await.unwrap();
    // The password is too short for one without a second factor.
    assert!(matches!(owner.remove().await, Err(Error::Conflict(_))));
    let login = accounts
        .change_password(&owner.identity, PASSWORD, &client)
        .await
        .unwrap();
    owner.identity = owner.fixture.identity(&login).await.unwrap();
    owner.remove().await.unwrap();
    assert_eq!(owner.remove().await, Err(Error::NotFound));
    assert!(
        owner.fixture.login(ADDRESS, PASSWORD).await.is_ok(),
        "a password is enough"
    );
    assert_eq!(
        owner.fixture.log_in_with(&mut owner.device).await.err(),
        Some(Error::BadPasskey)
    );
    let outbox = Outbox::of(Arc::clone(&accounts.engine));
    let mails = outbox.list(false, 50).await.unwrap();
    let told = mails.iter().filter(|mail| mail.payload["about"] == "factor-changed");
    assert_eq!(told.count(), 2);
}

#[tokio::test]
async fn nobody_removes_the_passkey_of_another() {
    let mut owner = Owner::new().await;
    let mut eve = owner.fixture.member("eve@example.org").await;
    owner.fixture.add(&mut eve, &mut Device::new()).await.unwrap();
    let ada = std::mem::replace(&mut owner.identity, eve);
    assert_eq!(owner.remove().await, Err(Error::NotFound));
    assert!(owner.fixture.log_in_with(&mut owner.device).await.is_ok());
    owner.identity = ada;
    owner.remove().await.unwrap();
}

#[tokio::test]
async fn a_passkey_is_a_way_to_log_in_and_the_last_one_stays() {
    let fixture = Fixture::with(|config| config.registration = config::Registration::Open);
    let assertion = Assertion {
        provider: "example".to_owned(),
        issuer: "https://accounts.example.org".to_owned(),
        subject: "7".to_owned(),
        verified_address: ADDRESS.parse().ok(),
        name: None,
    };
    let client = Client::default();
    let LoggedIn::Session(login) = fixture.accounts.login_identity(&assertion, &client).await.unwrap() else {
        panic!("a second factor is asked for");
    };
    let (mut ada, mut device) = (fixture.identity(&login).await.unwrap(), Device::new());
    let passkey = fixture.add(&mut ada, &mut device).await.unwrap().passkey.id;
    let linked = fixture.accounts.identities(ada.account.id).await.unwrap()[0].id;
    fixture.accounts.unlink_identity(&ada, linked, &client).await.unwrap();
    let removed = fixture.accounts.remove_passkey(&ada, passkey, &client).await;
    assert_eq!(removed, Err(Error::LastWayIn));
    assert_eq!(
        fixture.log_in_with(&mut device).await.unwrap().account.id,
        ada.account.id
    );
    fixture
        .accounts
        .link_identity(&ada.acting(), &assertion, &client)
        .await
        .unwrap();
    fixture.accounts.remove_passkey(&ada, passkey, &client).await.unwrap();
}

#[tokio::test]
async fn passkeys_go_with_a_reset_and_with_the_account() {
    let mut owner = Owner::new().await;
    let accounts = &owner.fixture.accounts;
    let account = owner.identity.account.id;
    accounts.reset_factors(account, &By::console()).await.unwrap();
    assert!(accounts.passkeys(account).await.unwrap().is_empty());
    assert_eq!(
        owner.fixture.log_in_with(&mut owner.device).await.err(),
        Some(Error::BadPasskey)
    );

    let login = owner.fixture.login(ADDRESS, PASSWORD).await.unwrap();
    let mut identity = owner.fixture.identity(&login).await.unwrap();
    owner.fixture.add(&mut identity, &mut Device::new()).await.unwrap();
    accounts.ask_passkey_again(&identity).await.unwrap();
    let catalogue = Catalogue::load(Arc::clone(&accounts.engine), 0).await.unwrap();
    let signed = accounts.erase_own(&catalogue, &identity, &By::console()).await.unwrap();
    assert_eq!(signed.receipt.removed.passkeys, 1);
    assert_eq!(accounts.traces(account, None).await.unwrap().left, 0);
}

#[tokio::test]
async fn without_a_public_url_there_are_no_passkeys_and_one_is_told_why() {
    let mut fixture = Fixture::new();
    fixture.accounts.relying_party = None;
    let identity = fixture.member(ADDRESS).await;
    assert_eq!(
        fixture.accounts.passkey_options(&identity).await.err(),
        Some(Error::PasskeysUnavailable)
    );
    assert!(matches!(
        fixture.accounts.ask_passkey(),
        Err(Error::PasskeysUnavailable)
    ));
    assert!(Error::PasskeysUnavailable.to_string().contains("public_url"));
}
