//! What an owner reads of their account: each change of how they are known, from where it came, and nothing of another.

use super::second_factor::Guarded;
use super::*;

const ADDRESS: &str = "ada@example.org";

/// Where all that is tested here comes from.
fn client() -> Client {
    Client {
        address: Some([198, 51, 100, 7].into()),
        agent: Some("Browser/7".to_owned()),
    }
}

impl Fixture {
    /// The newest event of an account, which was caused just now and from [`client`].
    async fn newest_event(&self, account: Uuid) -> Event {
        let event = self.accounts.activity(account, None, 1).await.unwrap().remove(0);
        assert_eq!((event.at_ms, &event.client), (self.clock.now_ms(), &client()));
        event
    }

    /// What the newest event says that was done.
    async fn told(&self, account: Uuid) -> String {
        let event = self.newest_event(account).await;
        assert!(event.is_success);
        // As it is stored and shown.
        serde_json::to_value(event.act).unwrap().as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn tokens_identities_and_a_reset_are_in_the_activity_of_the_one_account() {
    let fixture = Fixture::new();
    let (eve, ada) = (
        fixture.account("eve@example.org").await.id,
        fixture.member(ADDRESS).await,
    );
    let (accounts, account, from) = (&fixture.accounts, ada.account.id, client());
    let count = async || accounts.activity(account, None, 100).await.unwrap().len();
    assert_eq!(count().await, 1, "the login");

    let new = NewToken {
        name: "backup".to_owned(),
        scopes: vec!["read".to_owned()],
        days: 30,
    };
    let (made, _) = accounts.make_token(&ada, &new, &from).await.unwrap();
    assert_eq!(fixture.told(account).await, "token_made");
    accounts.end_token(account, made.id, &from).await.unwrap();
    assert_eq!(fixture.told(account).await, "token_ended");

    let assertion = Assertion {
        provider: "example".to_owned(),
        issuer: "https://accounts.example.org".to_owned(),
        subject: "7".to_owned(),
        verified_address: None,
        name: None,
    };
    accounts.link_identity(&ada.acting(), &assertion, &from).await.unwrap();
    assert_eq!(fixture.told(account).await, "identity_linked");
    let linked = accounts.identities(account).await.unwrap()[0].id;
    accounts.unlink_identity(&ada, linked, &from).await.unwrap();
    assert_eq!(fixture.told(account).await, "identity_unlinked");

    accounts.forgot(ADDRESS).await.unwrap();
    let link = fixture.newest_link("reset").await;
    assert_eq!(count().await, 5, "that somebody asked for a link changes nothing");
    accounts.reset(&link, ANOTHER, &from).await.unwrap();
    assert_eq!(fixture.told(account).await, "password_reset");
    assert_eq!(count().await, 6);
    assert_eq!(accounts.activity(eve, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_proved_right_or_wrong_and_each_change_of_a_factor_is_in_the_activity() {
    let guarded = Guarded::new().await;
    let (fixture, account, from) = (&guarded.fixture, guarded.identity.account.id, client());
    let accounts = &fixture.accounts;
    let newest = async || {
        let event = fixture.newest_event(account).await;
        (event.act, event.method, event.is_success)
    };
    let challenge = guarded.challenge().await;
    let (token, wrong) = (challenge.token.reveal(), guarded.wrong());
    let refused = accounts.answer(token, Proof::Code(Method::Totp, &wrong), &from).await;
    assert_eq!(refused.err(), Some(Error::BadCode));
    assert_eq!(newest().await, (Act::Login, Some(Method::Totp), false));
    let right = Proof::Code(Method::Recovery, &guarded.recovery[0]);
    accounts.answer(token, right, &from).await.unwrap();
    assert_eq!(newest().await, (Act::Login, Some(Method::Recovery), true));

    let (ada, by_password) = (&guarded.identity, Some(Method::Password));
    let refused = accounts.reauthenticate(ada, Proof::Password(ANOTHER), &from).await;
    assert_eq!(refused.err(), Some(Error::BadCredentials));
    assert_eq!(newest().await, (Act::Reauthentication, by_password, false));
    let proved = accounts.reauthenticate(ada, Proof::Password(PASSWORD), &from).await;
    assert_eq!(newest().await, (Act::Reauthentication, by_password, true));

    let ada = fixture.identity(&proved.unwrap()).await.unwrap();
    accounts.renew_recovery(&ada, &from).await.unwrap();
    assert_eq!(newest().await, (Act::RecoveryCodesRenewed, None, true));
    let changed = accounts.change_password(&ada, ANOTHER, &from).await.unwrap();
    assert_eq!(newest().await, (Act::PasswordChanged, None, true));
    let ada = fixture.identity(&changed).await.unwrap();
    accounts.remove_totp(&ada, &from).await.unwrap();
    assert_eq!(newest().await, (Act::FactorRemoved, None, true));
}

#[tokio::test]
async fn what_is_refused_is_no_change() {
    let fixture = Fixture::new();
    let ada = fixture.member(ADDRESS).await;
    let (accounts, account, from) = (&fixture.accounts, ada.account.id, client());
    let new = NewToken {
        name: "backup".to_owned(),
        scopes: Vec::new(),
        days: 30,
    };
    accounts.make_token(&ada, &new, &from).await.unwrap_err();
    accounts.end_token(account, Uuid::nil(), &from).await.unwrap_err();
    accounts.unlink_identity(&ada, Uuid::nil(), &from).await.unwrap_err();
    accounts.reset("pcl_none", ANOTHER, &from).await.unwrap_err();
    let acts: Vec<Act> = accounts
        .activity(account, None, 10)
        .await
        .unwrap()
        .iter()
        .map(|event| event.act)
        .collect();
    assert_eq!(acts, [Act::Login]);
}
