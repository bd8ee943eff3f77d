//! How sessions end before their time: by their owner, by an operator, by a link in a mail, and where an account changes.

use uuid::Uuid;

use super::error::Error;
use super::session::Session;
use super::store::{self, Work};
use super::watch::Origin;
use super::{Accounts, Identity};
use crate::storage::keyspace::accounts as keys;

impl Accounts {
    /// Ends one of the sessions of an account, by one who has proved a short while ago who they are.
    pub async fn end_own(&self, identity: &Identity, session: Uuid) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            let (record, ..) = self.recent_session(&mut work, identity).await?;
            self.end_one(&mut work, record.account.id, session).await?;
            work.commit().await
        })
        .await
    }

    /// The same of all but the one that asks.
    pub async fn end_others(&self, identity: &Identity) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            let (record, ..) = self.recent_session(&mut work, identity).await?;
            self.end_all(&mut work, record.account.id, Some(identity.session.id))
                .await?;
            work.commit().await
        })
        .await
    }

    /// Ends a session of an account.
    pub async fn end_session(&self, account: Uuid, session: Uuid) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            self.end_one(&mut work, account, session).await?;
            work.commit().await
        })
        .await
    }

    /// Ends a session of an account; [`Error::NotFound`] where it has no such session.
    pub(super) async fn end_one(&self, work: &mut Work, account: Uuid, session: Uuid) -> Result<(), Error> {
        let key = keys::session_of(account, session);
        let digest: [u8; 32] = work.read(&key).await?.ok_or(Error::NotFound)?;
        work.delete(keys::session(&digest));
        work.delete(key);
        Ok(())
    }

    /// Ends the sessions of an account, but for the one that is to be kept.
    pub(super) async fn end_all(&self, work: &mut Work, account: Uuid, but: Option<Uuid>) -> Result<(), Error> {
        for (session, digest) in self.digests(work, account).await? {
            if Some(session) != but {
                work.delete(keys::session(&digest));
                work.delete(keys::session_of(account, session));
            }
        }
        Ok(())
    }

    /// Ends the sessions of an account that came from there.
    pub(super) async fn end_all_from(&self, work: &mut Work, account: Uuid, from: &Origin) -> Result<(), Error> {
        for (id, digest) in self.digests(work, account).await? {
            let session: Option<Session> = work.read(&keys::session(&digest)).await?;
            if session.is_none_or(|session| from.has_session(session.made_ms, &session.client)) {
                work.delete(keys::session(&digest));
                work.delete(keys::session_of(account, id));
            }
        }
        Ok(())
    }
}
