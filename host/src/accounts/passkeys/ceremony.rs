//! Between the options and the answer: what is remembered of a ceremony of WebAuthn, for minutes, and used once. Of somebody who is
//! known it waits in the store, under the digest of a token that only one client has (of a session, or of a login that waits for a
//! second factor). Who logs in with a passkey is nobody yet, so it waits with the client, sealed: whoever asks has nothing written.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyRegistration};

use crate::accounts::Accounts;
use crate::accounts::error::Error;
use crate::accounts::session::{self, Token};
use crate::accounts::store::Work;
use crate::storage::keyspace::accounts as keys;

/// How long it waits: as long as browsers are told that they may take.
const MINUTES: u64 = 5;
/// What is sealed with the client: nothing else that is sealed with the same keys can be put in its place.
const ABOUT: &[u8] = b"a login with a passkey";

/// A ceremony that is under way.
#[derive(Serialize, Deserialize)]
struct Ceremony {
    account: Uuid,
    state: State,
}

/// What the answer is checked against.
#[derive(Serialize, Deserialize)]
pub(super) enum State {
    /// A passkey is made.
    Registration(PasskeyRegistration),
    /// A passkey is asked for.
    Assertion(DiscoverableAuthentication),
}

/// A ceremony that waits with the client.
#[derive(Serialize, Deserialize)]
struct HandedOut {
    ends_ms: u64,
    state: DiscoverableAuthentication,
}

/// What is left in the store of one that was handed out and came back.
#[derive(Serialize, Deserialize)]
struct Spent;

impl Accounts {
    /// Has a ceremony of an account wait, in the place of one that waits under the same token.
    pub(super) fn keep_ceremony(
        &self,
        work: &mut Work,
        digest: &[u8; 32],
        account: Uuid,
        state: State,
    ) -> Result<(), Error> {
        work.write(
            keys::ceremony(digest),
            &Ceremony { account, state },
            Some(self.ceremony_ends_ms()),
        )
    }

    /// The ceremony that waits under a token for the account. It is gone with the commit, whatever comes of it.
    pub(super) async fn take_ceremony(
        &self,
        work: &mut Work,
        digest: &[u8; 32],
        account: Uuid,
    ) -> Result<State, Error> {
        let key = keys::ceremony(digest);
        let ceremony: Option<Ceremony> = work.read(&key).await?;
        let ceremony = ceremony.filter(|ceremony| ceremony.account == account);
        work.delete(key);
        Ok(ceremony.ok_or(Error::CeremonySpent)?.state)
    }

    /// Gives the client the ceremony to keep.
    pub(super) fn hand_out_ceremony(&self, state: DiscoverableAuthentication) -> Result<Token, Error> {
        let ends_ms = self.ceremony_ends_ms();
        let plain = serde_json::to_vec(&HandedOut { ends_ms, state });
        let plain = plain.map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Token::of_ceremony(&self.secrets.seeds.hand_out(ABOUT, &plain)?))
    }

    /// The ceremony that a client has kept. It does not come back again after the commit, whatever comes of it.
    pub(super) async fn take_back_ceremony(&self, work: &mut Work, token: &str) -> Result<State, Error> {
        let sealed = Token::sealed_in_ceremony(token).ok_or(Error::CeremonySpent)?;
        let plain = self.secrets.seeds.take_back(ABOUT, sealed);
        let handed_out = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        let HandedOut { ends_ms, state } = handed_out.ok_or(Error::CeremonySpent)?;
        let key = keys::ceremony(&session::digest(token));
        if ends_ms <= self.clock.now_ms() || work.read::<Spent>(&key).await?.is_some() {
            return Err(Error::CeremonySpent);
        }
        work.write(key, &Spent, Some(ends_ms))?;
        Ok(State::Assertion(state))
    }

    fn ceremony_ends_ms(&self) -> u64 {
        self.clock.now_ms() + MINUTES * 60_000
    }
}
