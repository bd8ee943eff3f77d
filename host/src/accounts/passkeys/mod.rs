//! Passkeys (WebAuthn): what an account has of them, and how one is added and removed. The only user of `webauthn_rs`.

mod assertion;
mod ceremony;
mod relying_party;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::Passkey as Key;

pub(super) use relying_party::RelyingParty;
pub use relying_party::{NewPasskey, PasskeyAnswer};

use super::activity::Act;
use super::changing::Changing;
use super::error::Error;
use super::login::Login;
use super::method::Method;
use super::session::Client;
use super::store;
use super::{Accounts, Identity};
use crate::storage::keyspace::accounts as keys;
use ceremony::State;

/// The most passkeys of an account.
pub(super) const MAX_PASSKEYS: usize = 20;

/// A passkey of an account. Its key is public, and good for nothing but to check what the passkey signs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Passkey {
    /// Its name in lists.
    pub id: Uuid,
    /// What its owner calls it.
    pub name: Option<String>,
    /// When it was added, in milliseconds since the Unix epoch.
    pub made_ms: u64,
    /// When it was last used.
    pub used_ms: Option<u64>,
    key: Key,
}

/// A passkey that was added.
#[derive(Debug)]
pub struct Added {
    /// The passkey.
    pub passkey: Passkey,
    /// Recovery codes, where it is the first second factor. They are shown this once.
    pub recovery_codes: Option<Vec<String>>,
    /// The session that has added it, with another token.
    pub login: Login,
}

impl Accounts {
    /// What a browser makes a passkey with.
    pub async fn passkey_options(&self, identity: &Identity) -> Result<Value, Error> {
        let party = self.relying_party()?;
        store::again(|| async {
            let mut work = self.begin();
            let Changing {
                record,
                digest,
                factors,
                ..
            } = self.changing_factors(&mut work, identity).await?;
            check_room(factors.passkeys.len())?;
            let (options, state) = party.offer(&record.account, &factors.passkeys)?;
            let state = State::Registration(state);
            self.keep_ceremony(&mut work, &digest, record.account.id, state)?;
            work.commit().await?;
            Ok(options)
        })
        .await
    }

    /// Adds the passkey that a browser has made with the options of the session.
    pub async fn add_passkey(&self, identity: &Identity, new: &NewPasskey, client: &Client) -> Result<Added, Error> {
        let party = self.relying_party()?;
        self.attempts.act(identity.account.id)?;
        let added = store::again(|| async {
            let mut work = self.begin();
            let mut changing = self.changing_factors(&mut work, identity).await?;
            let account = changing.record.account.id;
            let ceremony = self.take_ceremony(&mut work, &changing.digest, account).await?;
            let State::Registration(state) = ceremony else {
                return Err(Error::CeremonySpent);
            };
            let factors = &mut changing.factors;
            check_room(factors.passkeys.len())?;
            let is_new = |key: &Key| factors.passkeys.iter().all(|held| held.key.cred_id() != key.cred_id());
            let Some(key) = party.accept(new, &state).filter(is_new) else {
                // The options are used up all the same.
                work.commit().await?;
                return Ok(None);
            };
            let passkey = Passkey {
                id: Uuid::now_v7(),
                name: new.name.clone(),
                made_ms: self.clock.now_ms(),
                used_ms: None,
                key,
            };
            let is_first = !factors.is_on();
            factors.passkeys.push(passkey.clone());
            let recovery_codes = is_first.then(|| factors.renew_recovery()).transpose()?;
            work.write(keys::factors(account), factors, None)?;
            let login = self.renew_with_proof(&mut work, changing, Method::Passkey)?;
            self.tell_changed(&mut work, identity, Act::FactorAdded, client).await?;
            work.commit().await?;
            Ok(Some(Added {
                passkey,
                recovery_codes,
                login,
            }))
        });
        added.await?.ok_or(Error::BadPasskey)
    }

    /// The passkeys of an account, the oldest first.
    pub async fn passkeys(&self, account: Uuid) -> Result<Vec<Passkey>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let factors = self.factors(&mut work, account).await?;
            work.commit().await?;
            Ok(factors.passkeys)
        })
        .await
    }

    /// Removes a passkey; not one that is the last way to log in, nor the last second factor beside a short password.
    pub async fn remove_passkey(&self, identity: &Identity, id: Uuid, client: &Client) -> Result<(), Error> {
        let account = identity.account.id;
        self.attempts.act(account)?;
        store::again(|| async {
            let mut work = self.begin();
            let Changing {
                record, mut factors, ..
            } = self.changing_factors(&mut work, identity).await?;
            let before = factors.passkeys.len();
            factors.passkeys.retain(|passkey| passkey.id != id);
            if factors.passkeys.len() == before {
                return Err(Error::NotFound);
            }
            let is_other_way = record.password.is_some() || !factors.passkeys.is_empty();
            if !is_other_way && self.identities_of(&mut work, account).await?.is_empty() {
                return Err(Error::LastWayIn);
            }
            self.check_removed(&record, &mut factors)?;
            work.write(keys::factors(account), &factors, None)?;
            self.tell_changed(&mut work, identity, Act::FactorRemoved, client)
                .await?;
            work.commit().await
        })
        .await
    }

    /// What passkeys are bound to, where that is known.
    fn relying_party(&self) -> Result<&RelyingParty, Error> {
        self.relying_party.as_ref().ok_or(Error::PasskeysUnavailable)
    }
}

fn check_room(held: usize) -> Result<(), Error> {
    match held < MAX_PASSKEYS {
        true => Ok(()),
        false => Err(Error::Conflict(
            "an account has at most 20 passkeys: remove one that is not used",
        )),
    }
}
