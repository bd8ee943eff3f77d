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
use super::watch::Origin;
use crate::storage::engine::Key;
use crate::storage::keyspace::accounts as keys;

/// What a link does; it is gone once it has done it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Deed {
    /// Makes the account.
    Confirm(Record),
    /// Sets a new password, as long as the account has this one.
    Reset { account: Uuid, password: Option<String> },
    /// Ends the sessions that came from there, or all of them.
    End {
        account: Uuid,
        #[serde(default)]
        from: Option<Origin>,
    },
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

    /// Ends what a link in a mail names: the sessions of an account that came from where a login did, as only the first of those has
    /// caused a mail, or all of them. All tokens for programs end, as nobody knows who has made them, and it is
    /// forgotten that somebody has logged in from there.
    pub async fn end_by_link(&self, token: &str, client: &Client) -> Result<(), Error> {
        let key = keys::link(&session::digest(token));
        store::again(|| async {
            let mut work = self.begin();
            let (account, from) = ended(&mut work, &key).await?;
            work.delete(key.clone());
            match &from {
                Some(from) => self.end_all_from(&mut work, account, from).await?,
                None => self.end_all(&mut work, account, None).await?,
            }
            self.end_tokens(&mut work, account).await?;
            self.forget(&mut work, account, from.as_ref()).await?;
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

/// What a link ends: an account's sessions that came from somewhere, or all of them.
async fn ended(work: &mut Work, key: &Key) -> Result<(Uuid, Option<Origin>), Error> {
    match work.read(key).await? {
        Some(Deed::End { account, from }) => Ok((account, from)),
        _ => Err(Error::LinkSpent),
    }
}
