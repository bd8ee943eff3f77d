//! Identities at providers: whose they are, how they are linked, and what a sign-in that is under way is good for.

use super::second_factor::Guarded;
use super::*;
use crate::config::Registration;

fn fixture(registration: Registration) -> Fixture {
    Fixture::with(|config| config.registration = registration)
}

fn assertion(subject: &str, address: &str) -> Assertion {
    Assertion {
        provider: "example".to_owned(),
        issuer: "https://accounts.example.org".to_owned(),
        subject: subject.to_owned(),
        verified_address: address.parse().ok(),
        name: Some("Ada\r\nLovelace".to_owned()),
    }
}

impl Fixture {
    async fn unlink(&self, identity: &Identity, id: Uuid) -> Result<(), Error> {
        self.accounts.unlink_identity(identity, id, &Client::default()).await
    }

    async fn sign_in(&self, assertion: &Assertion) -> Result<Login, Error> {
        match self.accounts.login_identity(assertion, &Client::default()).await? {
            LoggedIn::Session(login) => Ok(*login),
            LoggedIn::SecondFactor(_) => panic!("a second factor is asked for"),
        }
    }

    async fn link(&self, identity: &Identity, assertion: &Assertion) -> Result<(), Error> {
        let client = Client::default();
        self.accounts
            .link_identity(&identity.acting(), assertion, &client)
            .await
    }
}

#[tokio::test]
async fn somebody_whom_a_provider_vouches_for_has_one_account_from_then_on() {
    let fixture = fixture(Registration::Open);
    let first = fixture.sign_in(&assertion("7", "ada@example.org")).await.unwrap();
    assert_eq!(first.account.address.as_str(), "ada@example.org");
    assert_eq!(first.account.name.as_deref(), Some("AdaLovelace"));
    // Issuer and subject say who it is, whatever else the provider says now.
    let again = fixture.sign_in(&assertion("7", "eve@example.org")).await.unwrap();
    assert_eq!(again.account, first.account);
    assert!(fixture.identity(&again).await.is_some());
    let mut elsewhere = assertion("7", "bob@example.org");
    elsewhere.issuer = "https://accounts.example.com".to_owned();
    assert_ne!(fixture.sign_in(&elsewhere).await.unwrap().account, first.account);
}

#[tokio::test]
async fn an_address_that_has_an_account_is_not_linked_by_itself() {
    let fixture = fixture(Registration::Open);
    fixture.member("ada@example.org").await;
    let refused = fixture.sign_in(&assertion("7", "ADA@example.org")).await;
    assert_eq!(refused.err(), Some(Error::LinkFirst));
}

#[tokio::test]
async fn nobody_gets_an_account_for_an_address_that_is_not_vouched_for_or_where_registration_is_closed() {
    let open = fixture(Registration::Open);
    let refused = open.sign_in(&assertion("7", "")).await.err();
    assert_eq!(refused, Some(Error::AddressUnverified));
    let closed = fixture(Registration::Closed);
    let refused = closed.sign_in(&assertion("7", "ada@example.org")).await.err();
    assert_eq!(refused, Some(Error::RegistrationClosed));
}

#[tokio::test]
async fn a_locked_account_is_not_logged_in_through_a_provider() {
    let fixture = fixture(Registration::Open);
    let ada = assertion("7", "ada@example.org");
    let account = fixture.sign_in(&ada).await.unwrap().account;
    let locked = Change {
        is_locked: Some(true),
        ..Change::default()
    };
    fixture
        .accounts
        .change(account.id, &locked, &By::console())
        .await
        .unwrap();
    assert_eq!(fixture.sign_in(&ada).await.err(), Some(Error::BadCredentials));
    // Its owner reads that somebody tried to.
    let event = fixture.accounts.activity(account.id, None, 1).await.unwrap().remove(0);
    let told = (event.act, event.method, event.is_success);
    assert_eq!(told, (Act::Login, Some(Method::Oidc), false));
}

#[tokio::test]
async fn a_sign_in_with_a_provider_does_not_stand_in_for_the_second_factor() {
    let Guarded { fixture, identity, .. } = Guarded::new().await;
    fixture.link(&identity, &assertion("7", "")).await.unwrap();
    let passed = fixture
        .accounts
        .login_identity(&assertion("7", ""), &Client::default())
        .await
        .unwrap();
    let LoggedIn::SecondFactor(challenge) = passed else {
        panic!("nothing is asked for")
    };
    assert_eq!(challenge.methods, [Method::Totp, Method::Recovery]);
}

#[tokio::test]
async fn an_identity_is_linked_to_one_account_through_a_session_that_is_still_there() {
    let fixture = fixture(Registration::Closed);
    let (ada, eve) = (
        fixture.member("ada@example.org").await,
        fixture.member("eve@example.org").await,
    );
    let identity = assertion("7", "");
    fixture.link(&ada, &identity).await.unwrap();
    fixture.link(&ada, &identity).await.unwrap();
    assert_eq!(fixture.link(&eve, &identity).await, Err(Error::IdentityTaken));
    assert_eq!(fixture.sign_in(&identity).await.unwrap().account, ada.account);
    fixture
        .accounts
        .end_sessions_of(eve.account.id, &By::console())
        .await
        .unwrap();
    let late = fixture.link(&eve, &assertion("8", "")).await;
    assert_eq!(late, Err(Error::SessionEnded));
}

#[tokio::test]
async fn nobody_unlinks_the_identity_of_another() {
    let fixture = fixture(Registration::Closed);
    let (ada, eve) = (
        fixture.member("ada@example.org").await,
        fixture.member("eve@example.org").await,
    );
    fixture.link(&ada, &assertion("7", "")).await.unwrap();
    fixture.link(&eve, &assertion("8", "")).await.unwrap();
    let id = fixture.accounts.identities(ada.account.id).await.unwrap()[0].id;
    assert_eq!(fixture.unlink(&eve, id).await, Err(Error::NotFound));
    assert_eq!(fixture.sign_in(&assertion("7", "")).await.unwrap().account, ada.account);
    fixture.unlink(&ada, id).await.unwrap();
}

#[tokio::test]
async fn linking_and_unlinking_need_a_recent_proof() {
    let fixture = fixture(Registration::Open);
    let ada = fixture.member("ada@example.org").await;
    fixture.link(&ada, &assertion("7", "")).await.unwrap();
    let id = fixture.accounts.identities(ada.account.id).await.unwrap()[0].id;
    fixture.clock.advance(6 * MINUTE_MS);
    assert_eq!(Purpose::link(&fixture.accounts, &ada).await, Err(Error::NotRecent));
    assert_eq!(fixture.unlink(&ada, id).await, Err(Error::NotRecent));
}

#[tokio::test]
async fn a_link_that_was_begun_with_a_token_goes_with_it() {
    let fixture = fixture(Registration::Open);
    let ada = fixture.member("ada@example.org").await;
    let Ok(Purpose::Link(begun)) = Purpose::link(&fixture.accounts, &ada).await else {
        panic!("it was proved a moment ago who she is");
    };
    // A thief has begun it. Its owner takes the session back.
    let (proof, client) = (Proof::Password(PASSWORD), Client::default());
    fixture.accounts.reauthenticate(&ada, proof, &client).await.unwrap();
    let finished = fixture
        .accounts
        .link_identity(&begun, &assertion("7", ""), &client)
        .await;
    assert_eq!(finished, Err(Error::SessionEnded));
}

#[tokio::test]
async fn the_last_way_to_log_in_stays() {
    let fixture = fixture(Registration::Open);
    let login = fixture.sign_in(&assertion("7", "ada@example.org")).await.unwrap();
    let ada = fixture.identity(&login).await.unwrap();
    let first = fixture.accounts.identities(ada.account.id).await.unwrap()[0].id;
    assert_eq!(fixture.unlink(&ada, first).await, Err(Error::LastWayIn));
    fixture.link(&ada, &assertion("8", "")).await.unwrap();
    fixture.unlink(&ada, first).await.unwrap();
    assert_eq!(fixture.unlink(&ada, first).await, Err(Error::NotFound));
    let gone = fixture.sign_in(&assertion("7", "ada@example.org")).await.err();
    assert_eq!(gone, Some(Error::LinkFirst));
    assert_eq!(fixture.sign_in(&assertion("8", "")).await.unwrap().account, ada.account);
}

#[tokio::test]
async fn an_account_has_only_so_many_identities() {
    let fixture = fixture(Registration::Open);
    let ada = fixture.member("ada@example.org").await;
    for number in 0..16 {
        fixture.link(&ada, &assertion(&number.to_string(), "")).await.unwrap();
    }
    let refused = fixture.link(&ada, &assertion("another", "")).await;
    assert_eq!(refused, Err(Error::TooManyIdentities));
}

#[tokio::test]
async fn a_sign_in_is_finished_once_in_time_and_by_the_browser_that_began_it() {
    let fixture = fixture(Registration::Open);
    let flow = Flow::new("example", Purpose::LogIn, "secret of the browser");
    for state in ["first", "second"] {
        fixture.accounts.keep_flow(state, &flow).await.unwrap();
    }
    let take = |state, secret| fixture.accounts.take_flow(state, secret);
    assert_eq!(take("first", "secret of another").await, Err(Error::FlowSpent));
    let both = tokio::join!(
        take("first", "secret of the browser"),
        take("first", "secret of the browser")
    );
    let taken = [both.0.is_ok(), both.1.is_ok()];
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    fixture.clock.advance(10 * MINUTE_MS + 1);
    assert_eq!(take("second", "secret of the browser").await, Err(Error::FlowSpent));
}
