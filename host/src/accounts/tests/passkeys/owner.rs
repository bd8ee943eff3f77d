//! Somebody with a passkey, and what they do with it.

use serde_json::Value;

use super::device::Device;
use crate::accounts::tests::*;

pub(super) const ADDRESS: &str = "ada@example.org";

/// Ada with a passkey.
pub(super) struct Owner {
    pub(super) fixture: Fixture,
    pub(super) identity: Identity,
    pub(super) device: Device,
    passkey: Uuid,
}

pub(super) fn answer(given: &Value) -> PasskeyAnswer {
    PasskeyAnswer::read(given, "/credential").unwrap()
}

impl Fixture {
    /// Adds a passkey of a device; the session has another token then.
    pub(super) async fn add(&self, identity: &mut Identity, device: &mut Device) -> Result<Added, Error> {
        let options = self.accounts.passkey_options(identity).await?;
        let new = NewPasskey::read(Some("Laptop".to_owned()), &device.make(&options))?;
        let added = self.accounts.add_passkey(identity, &new, &Client::default()).await?;
        *identity = self.identity(&added.login).await.unwrap();
        Ok(added)
    }

    pub(super) async fn log_in_with(&self, device: &mut Device) -> Result<Login, Error> {
        let (token, options) = self.accounts.ask_passkey().unwrap();
        self.finish(&token, &device.sign(&options)).await
    }

    pub(super) async fn finish(&self, token: &Token, signed: &Value) -> Result<Login, Error> {
        let client = Client::default();
        self.accounts
            .login_passkey(token.reveal(), &answer(signed), &client)
            .await
    }
}

impl Owner {
    pub(super) async fn new() -> Self {
        Self::with(|config| config.attempts.per_account = 0).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut config::Accounts)) -> Self {
        let fixture = Fixture::with(change);
        let mut identity = fixture.member(ADDRESS).await;
        let mut device = Device::new();
        let added = fixture.add(&mut identity, &mut device).await.unwrap();
        assert_eq!(added.recovery_codes.map(|codes| codes.len()), Some(10));
        Self {
            passkey: added.passkey.id,
            fixture,
            identity,
            device,
        }
    }

    /// The newest event of the activity.
    pub(super) async fn newest(&self) -> Event {
        let account = self.identity.account.id;
        self.fixture
            .accounts
            .activity(account, None, 1)
            .await
            .unwrap()
            .remove(0)
    }

    pub(super) async fn remove(&self) -> Result<(), Error> {
        let client = Client::default();
        let accounts = &self.fixture.accounts;
        accounts.remove_passkey(&self.identity, self.passkey, &client).await
    }

    /// A login with the password, which waits for a second factor.
    pub(super) async fn challenge(&self) -> Challenge {
        let passed = self.fixture.accounts.login(ADDRESS, PASSWORD, &Client::default()).await;
        match passed.unwrap() {
            LoggedIn::SecondFactor(challenge) => challenge,
            LoggedIn::Session(_) => panic!("no second factor is asked for"),
        }
    }

    pub(super) async fn answer(&self, challenge: &Challenge, signed: &Value) -> Result<Login, Error> {
        let answer = answer(signed);
        let accounts = &self.fixture.accounts;
        accounts
            .answer(challenge.token.reveal(), Proof::Passkey(&answer), &Client::default())
            .await
    }
}
