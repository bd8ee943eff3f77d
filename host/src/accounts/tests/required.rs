//! A second factor that the operator asks of some, or of all: without it they only look after their own account.

use super::second_factor::code;
use super::*;
use crate::accounts::token::NewToken;

const ADMIN: &str = "root@example.org";
const MEMBER: &str = "ada@example.org";

fn required_for(who: &str) -> Fixture {
    Fixture::with(|config| {
        config.second_factor.required_for = [who.to_owned()].into();
        config.attempts.per_account = 0;
    })
}

impl Fixture {
    /// An account with a role, logged in with its password alone.
    async fn with_role(&self, address: &str, role: &str) -> Login {
        let new = NewAccount {
            address: address.parse().unwrap(),
            name: None,
            password: Some(PASSWORD.to_owned()),
            roles: [role.to_owned()].into(),
        };
        self.accounts.create(new, &By::console()).await.unwrap();
        self.login(address, PASSWORD).await.unwrap()
    }

    /// What policy is told of the holder of a session.
    async fn caller(&self, login: &Login) -> Result<bool, Error> {
        let known = self.accounts.caller(login.token.reveal()).await?;
        Ok(known.is_some())
    }

    async fn token(&self, identity: &Identity) -> Result<String, Error> {
        let new = NewToken {
            name: "backup".to_owned(),
            scopes: vec!["read".to_owned()],
            days: 1,
        };
        let made = self.accounts.make_token(identity, &new, &Client::default()).await?;
        Ok(made.1.reveal().to_owned())
    }

    /// Turns on codes: the session with its other token.
    pub(super) async fn guard(&self, identity: &Identity) -> Login {
        let offer = self.accounts.offer_totp(identity).await.unwrap();
        let first = code(&offer.secret, self.clock.now_ms());
        let confirmed = self.accounts.confirm_totp(identity, &first, &Client::default()).await;
        confirmed.unwrap().1
    }
}

#[tokio::test]
async fn who_must_use_a_second_factor_does_nothing_else_before() {
    let fixture = required_for("admin");
    let login = fixture.with_role(ADMIN, "admin").await;
    assert_eq!(fixture.caller(&login).await, Err(Error::SecondFactorRequired));
    // Nor once the session is looked up the long way, as it is each minute.
    fixture.clock.advance(MINUTE_MS);
    assert_eq!(fixture.caller(&login).await, Err(Error::SecondFactorRequired));
    let token = login.token.reveal();
    let identity = fixture.accounts.identify(token).await.unwrap().unwrap();
    assert_eq!(fixture.token(&identity).await.err(), Some(Error::SecondFactorRequired));

    let renewed = fixture.guard(&identity).await;
    assert_eq!(fixture.caller(&renewed).await, Ok(true));
    assert_eq!(fixture.caller(&login).await, Ok(false), "the token from before");
    let identity = fixture.identity(&renewed).await.unwrap();
    let token = fixture.token(&identity).await.unwrap();
    assert!(fixture.accounts.identify_program(&token).await.unwrap().is_some());
    // Nor does it go away afterwards, with all that it has opened.
    let removed = fixture.accounts.remove_totp(&identity, &Client::default()).await;
    assert!(matches!(removed, Err(Error::Conflict(_))), "{removed:?}");
}

#[tokio::test]
async fn a_second_factor_is_asked_of_those_alone_who_must_use_it() {
    let fixture = required_for("admin");
    let login = fixture.with_role(MEMBER, "editor").await;
    assert_eq!(fixture.caller(&login).await, Ok(true));
    // A token from before the role came is worth nothing with it.
    let identity = fixture.identity(&login).await.unwrap();
    let token = fixture.token(&identity).await.unwrap();
    let change = Change {
        roles: Some(["admin".to_owned()].into()),
        ..Change::default()
    };
    fixture
        .accounts
        .change(login.account.id, &change, &By::console())
        .await
        .unwrap();
    assert_eq!(fixture.caller(&login).await, Err(Error::SecondFactorRequired));
    assert_eq!(
        fixture.accounts.identify_program(&token).await.err(),
        Some(Error::SecondFactorRequired)
    );
    let fixture = required_for(config::EVERYBODY);
    let login = fixture.with_role(MEMBER, "editor").await;
    assert_eq!(fixture.caller(&login).await, Err(Error::SecondFactorRequired));
}
