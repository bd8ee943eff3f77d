//! Between the options and the answer: what is remembered of a ceremony of WebAuthn. Each waits under the digest of a token that
//! only one client has (of a session, of a login that waits for a second factor, or one of its own), for minutes, and is used once.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, PasskeyRegistration};

use crate::accounts::Accounts;
use crate::accounts::error::Error;
use crate::accounts::store::Work;
use crate::storage::keyspace::accounts as keys;

/// How long it waits: as long as browsers are told that they may take.
const MINUTES: u64 = 5;

/// A ceremony that is under way.
#[derive(Serialize, Deserialize)]
struct Ceremony {
    /// Whose it is; nobody's where it is not yet known who logs in.
    account: Option<Uuid>,
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

impl Accounts {
    /// Has a ceremony wait, in the place of one that waits under the same token.
    pub(super) fn keep_ceremony(
        &self,
        work: &mut Work,
        digest: &[u8; 32],
        account: Option<Uuid>,
        state: State,
    ) -> Result<(), Error> {
        let ends_ms = self.clock.now_ms() + MINUTES * 60_000;
        work.write(keys::ceremony(digest), &Ceremony { account, state }, Some(ends_ms))
    }

    /// The ceremony that waits under a token, for the same account, or for none as it was begun. It is gone with the commit,
    /// whatever comes of it.
    pub(super) async fn take_ceremony(
        &self,
        work: &mut Work,
        digest: &[u8; 32],
        account: Option<Uuid>,
    ) -> Result<State, Error> {
        let key = keys::ceremony(digest);
        let ceremony: Option<Ceremony> = work.read(&key).await?;
        let ceremony = ceremony.filter(|ceremony| ceremony.account == account);
        work.delete(key);
        Ok(ceremony.ok_or(Error::CeremonySpent)?.state)
    }
}
