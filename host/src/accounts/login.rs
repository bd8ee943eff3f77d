//! Logging in with a password, proving again who one is, and changing the password.

use std::str::FromStr as _;

use super::account::{Account, Record};
use super::address::Address;
use super::error::Error;
use super::hashing::Verified;
use super::session::{Client, Session, Token};
use super::store::{self, Work};
use super::{Accounts, Identity};
use crate::storage::keyspace::accounts as keys;

/// What a login comes to.
#[derive(Debug)]
pub struct Login {
    /// Who logged in.
    pub account: Account,
    /// The session that begins.
    pub session: Session,
    /// Its secret, which is shown this once.
    pub token: Token,
}

impl Accounts {
    /// Begins a session for one who knows the password. Whatever is wrong, a password is verified once and the answer is
    /// the same: nobody learns so who has an account.
    pub async fn login(&self, address: &str, password: &str, client: &Client) -> Result<Login, Error> {
        let known = match Address::from_str(address) {
            Ok(address) => self.find(&address).await?,
            Err(_) => None,
        };
        let stored = known
            .as_ref()
            .filter(|known| !known.account.is_locked)
            .and_then(|known| known.password.as_deref());
        let verified = self.hasher.verify(password, stored).await?;
        let Some(known) = known.filter(|_| verified != Verified::No) else {
            return Err(Error::BadCredentials);
        };
        store::again(|| self.begin_session(&known, &verified, client)).await
    }

    async fn begin_session(&self, known: &Record, verified: &Verified, client: &Client) -> Result<Login, Error> {
        let mut work = self.begin();
        let mut record = self.record(&mut work, known.account.id).await?;
        // What was verified a moment ago may have been taken back meanwhile.
        if record.account.is_locked || record.password != known.password {
            return Err(Error::BadCredentials);
        }
        if let Verified::Outdated(renewed) = verified {
            record.password = Some(renewed.clone());
            work.write(keys::record(record.account.id), &record, None)?;
        }
        let now_ms = self.clock.now_ms();
        let session = Session::new(record.account.id, client.clone(), now_ms, &self.config.sessions);
        let token = self.add_session(&mut work, &session).await?;
        work.commit().await?;
        Ok(Login {
            account: record.account,
            session,
            token,
        })
    }

    /// Proves once more who acts, so that for a few minutes the session may do what is delicate.
    pub async fn reauthenticate(&self, identity: &Identity, password: &str) -> Result<(), Error> {
        let (known, _, _) = store::again(|| async { self.acting(&mut self.begin(), identity).await }).await?;
        let verified = self.hasher.verify(password, known.password.as_deref()).await?;
        if verified == Verified::No {
            return Err(Error::BadCredentials);
        }
        store::again(|| async {
            let mut work = self.begin();
            let (record, digest, mut session) = self.acting(&mut work, identity).await?;
            if record.password != known.password {
                return Err(Error::BadCredentials);
            }
            session.proved_ms = self.clock.now_ms();
            self.keep(&mut work, &digest, &session)?;
            work.commit().await
        })
        .await
    }

    /// Sets another password, and ends the other sessions of the account. It must have been proved a short while ago who
    /// acts.
    pub async fn change_password(&self, identity: &Identity, new: &str) -> Result<(), Error> {
        self.require_recent(identity)?;
        let hash = self.hash_new(&identity.account, new).await?;
        store::again(|| async {
            let mut work = self.begin();
            // Much may have happened while the password was sent and hashed.
            let (mut record, _, session) = self.acting(&mut work, identity).await?;
            if !session.is_recent(self.clock.now_ms(), &self.config.sessions) {
                return Err(Error::NotRecent);
            }
            record.password = Some(hash.clone());
            self.set_password(&mut work, &record, Some(session.id)).await?;
            work.commit().await
        })
        .await
    }

    /// The account and the session of one who acts, as they are now: whoever holds the session may have lost it.
    async fn acting(&self, work: &mut Work, identity: &Identity) -> Result<(Record, [u8; 32], Session), Error> {
        let (account, session) = (identity.account.id, identity.session.id);
        let digest = work.read(&keys::session_of(account, session)).await?;
        let digest: [u8; 32] = digest.ok_or(Error::SessionEnded)?;
        let session = work.read(&keys::session(&digest)).await?.ok_or(Error::SessionEnded)?;
        let record: Option<Record> = work.read(&keys::record(account)).await?;
        let record = record.filter(|record| !record.account.is_locked);
        Ok((record.ok_or(Error::SessionEnded)?, digest, session))
    }

    /// Checks that it was proved a short while ago who acts.
    pub fn require_recent(&self, identity: &Identity) -> Result<(), Error> {
        let is_recent = identity.session.is_recent(self.clock.now_ms(), &self.config.sessions);
        if is_recent { Ok(()) } else { Err(Error::NotRecent) }
    }

    /// The account with an address.
    pub(super) async fn find(&self, address: &Address) -> Result<Option<Record>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let known = match work.read(&keys::address(address.as_str())).await? {
                Some(id) => work.read(&keys::record(id)).await?,
                None => None,
            };
            work.commit().await?;
            Ok(known)
        })
        .await
    }
}
