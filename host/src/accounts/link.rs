//! Links in mails, and the one that makes the first administrator: each does one thing, once, within its time. A page asks
//! before that whether there is anything left to do.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Accounts;
use super::account::Record;
use super::activity::{Act, Event};
use super::error::Error;
use super::mail;
use super::method::Method;
use super::session::{self, Client, Token};
use super::store::{self, Work};
use crate::storage::engine::Key;
use crate::storage::keyspace::accounts as keys;

/// What a link does; it is gone once it has done it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Deed {
    /// Makes the account.
    Confirm(Record),
    /// Sets a new password, as long as the account has this one.
    Reset { account: Uuid, password: Option<String> },
    /// Ends a session, or all of them.
    End { account: Uuid, session: Option<Uuid> },
    /// Nothing: somebody asked for an address that such a link can't be for.
    Nothing,
}

/// What somebody opens a link for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFor {
    /// To confirm an address.
    Confirming,
    /// To set a new password.
    Resetting,
    /// To end sessions.
    Ending,
    /// To make the first administrator.
    SettingUp,
}

impl Accounts {
    /// Whether a link still does what it is for; it is not used up by this. Else it is [`Error::LinkSpent`].
    pub async fn check_link(&self, link: LinkFor, token: &str) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            let key = keys::link(&session::digest(token));
            match link {
                LinkFor::Confirming => registration(&mut work, &key).await.map(drop),
                LinkFor::Resetting => resettable(&mut work, &key).await.map(drop),
                LinkFor::Ending => ended(&mut work, &key).await.map(drop),
                LinkFor::SettingUp => self.require_offered(&mut work, token).await,
            }
        })
        .await
    }

    /// Stores what a new link does.
    pub(super) fn link(&self, work: &mut Work, page: &str, deed: &Deed, minutes: u64) -> Result<mail::Link, Error> {
        let token = Token::of_link()?;
        let expires_ms = self.clock.now_ms() + minutes * 60_000;
        work.write(keys::link(&session::digest(token.reveal())), deed, Some(expires_ms))?;
        Ok(mail::Link {
            path: format!("{page}?token={}", token.reveal()),
            minutes,
        })
    }

    /// Ends what a link in a mail names: one session of an account, or all of them.
    pub async fn end_by_link(&self, token: &str, client: &Client) -> Result<(), Error> {
        let key = keys::link(&session::digest(token));
        store::again(|| async {
            let mut work = self.begin();
            let (account, session) = ended(&mut work, &key).await?;
            work.delete(key.clone());
            match session {
                Some(session) => match self.end_one(&mut work, account, session).await {
                    // It has ended before.
                    Ok(()) | Err(Error::NotFound) => {}
                    Err(error) => return Err(error),
                },
                None => {
                    self.end_all(&mut work, account, None).await?;
                    self.end_tokens(&mut work, account).await?;
                }
            }
            let event = Event::new(
                Act::SessionsEnded,
                Some(Method::Link),
                true,
                client,
                self.clock.now_ms(),
            );
            self.note(&mut work, account, &event)?;
            work.commit().await
        })
        .await
    }
}

/// The account that a link resets.
pub(super) async fn resettable(work: &mut Work, key: &Key) -> Result<Record, Error> {
    let Some(Deed::Reset { account, password }) = work.read(key).await? else {
        return Err(Error::LinkSpent);
    };
    let record: Option<Record> = work.read(&keys::record(account)).await?;
    record
        .filter(|record| record.password == password && !record.account.is_locked)
        .ok_or(Error::LinkSpent)
}

/// The registration that a link confirms.
pub(super) async fn registration(work: &mut Work, key: &Key) -> Result<Record, Error> {
    match work.read(key).await? {
        Some(Deed::Confirm(record)) => Ok(record),
        _ => Err(Error::LinkSpent),
    }
}

/// What a link ends: an account's session, or all of them.
async fn ended(work: &mut Work, key: &Key) -> Result<(Uuid, Option<Uuid>), Error> {
    match work.read(key).await? {
        Some(Deed::End { account, session }) => Ok((account, session)),
        _ => Err(Error::LinkSpent),
    }
}
