//! Registering, confirming the address, and setting a new password where the old one is forgotten. None of these tells
//! whether an address has an account: the answer and the work are the same.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Account, Record};
use super::address::Address;
use super::error::Error;
use super::mail::{self, About, Mail};
use super::manage::check;
use super::session::{self, Token};
use super::store::{self, Work};
use super::{Accounts, password};
use crate::config::Registration;
use crate::storage::keyspace::accounts as keys;

/// How long a registration waits for being confirmed.
const CONFIRM_MINUTES: u64 = 24 * 60;
/// How long a forgotten password can be reset (OWASP ASVS 5.0, 6.4.3: no longer than needed).
const RESET_MINUTES: u64 = 30;

/// What a link does; it is gone once it has done it.
#[derive(Debug, Serialize, Deserialize)]
enum Deed {
    /// Makes the account.
    Confirm(Record),
    /// Sets a new password, as long as the account has this one.
    Reset { account: Uuid, password: Option<String> },
    /// Nothing: somebody asked for an address that such a link can't be for.
    Nothing,
}

impl Accounts {
    /// Keeps a registration until its address is confirmed. Before that there is no account, and whoever confirms first has
    /// the address.
    pub async fn register(&self, address: &str, password: &str, name: Option<String>) -> Result<Address, Error> {
        if self.config.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        let address = Address::from_str(address).map_err(|error| Error::invalid("/email", error.to_string()))?;
        let account = Account {
            id: Uuid::now_v7(),
            address: address.clone(),
            name,
            roles: BTreeSet::new(),
            is_locked: false,
            created_ms: self.clock.now_ms(),
        };
        check(&account)?;
        let password = Some(self.hash_new(&account, password).await?);
        let record = Record { account, password };
        store::again(|| self.keep_registration(&record)).await?;
        Ok(address)
    }

    async fn keep_registration(&self, record: &Record) -> Result<(), Error> {
        let mut work = self.begin();
        let Account { address, name, .. } = record.account.clone();
        let is_known = work.read::<Uuid>(&keys::address(address.as_str())).await?.is_some();
        let (about, deed) = match is_known {
            true => (About::AlreadyRegistered, Deed::Nothing),
            false => (About::Confirm, Deed::Confirm(record.clone())),
        };
        let link = self.link(&mut work, "/account/verify", &deed, CONFIRM_MINUTES)?;
        let mail = Mail {
            to: address,
            name: name.filter(|_| !is_known),
            about,
            link: Some(link).filter(|_| !is_known),
        };
        mail::send_unasked(&mut work, &mail, self.clock.now_ms()).await?;
        work.commit().await
    }

    /// Makes the account of a registration.
    pub async fn confirm(&self, token: &str) -> Result<Account, Error> {
        let key = keys::link(&session::digest(token));
        store::again(|| async {
            let mut work = self.begin();
            let Some(Deed::Confirm(mut record)) = work.read(&key).await? else {
                return Err(Error::LinkSpent);
            };
            record.account.created_ms = self.clock.now_ms();
            work.delete(key.clone());
            self.add(&mut work, &record).await?;
            work.commit().await?;
            Ok(record.account)
        })
        .await
    }

    /// Sends a link that sets a new password, if the address has an account.
    pub async fn forgot(&self, address: &str) -> Result<(), Error> {
        let Ok(address) = Address::from_str(address) else {
            return Ok(());
        };
        store::again(|| async {
            let mut work = self.begin();
            let account: Option<Uuid> = work.read(&keys::address(address.as_str())).await?;
            let known: Option<Record> = match account {
                Some(account) => work.read(&keys::record(account)).await?,
                None => None,
            };
            let known = known.filter(|known| !known.account.is_locked);
            let deed = known.as_ref().map_or(Deed::Nothing, |known| Deed::Reset {
                account: known.account.id,
                password: known.password.clone(),
            });
            let link = self.link(&mut work, "/account/reset", &deed, RESET_MINUTES)?;
            if let Some(known) = known {
                let mail = Mail {
                    to: known.account.address,
                    name: known.account.name,
                    about: About::Reset,
                    link: Some(link),
                };
                mail::send_unasked(&mut work, &mail, self.clock.now_ms()).await?;
            }
            work.commit().await
        })
        .await
    }

    /// Sets a new password, and ends all sessions of the account.
    pub async fn reset(&self, token: &str, new: &str) -> Result<(), Error> {
        let key = keys::link(&session::digest(token));
        let mut record = store::again(|| async { self.resettable(&mut self.begin(), &key).await }).await?;
        record.password = Some(self.hash_new(&record.account, new).await?);
        store::again(|| async {
            let mut work = self.begin();
            // It may have been used, and the password changed, while this one was hashed.
            let now = self.resettable(&mut work, &key).await?;
            let record = Record {
                account: now.account,
                password: record.password.clone(),
            };
            work.delete(key.clone());
            self.set_password(&mut work, &record, None).await?;
            work.commit().await
        })
        .await
    }

    /// The account that a link resets.
    async fn resettable(&self, work: &mut Work, key: &crate::storage::engine::Key) -> Result<Record, Error> {
        let Some(Deed::Reset { account, password }) = work.read(key).await? else {
            return Err(Error::LinkSpent);
        };
        let record: Option<Record> = work.read(&keys::record(account)).await?;
        record
            .filter(|record| record.password == password && !record.account.is_locked)
            .ok_or(Error::LinkSpent)
    }

    /// Stores what a new link does.
    fn link(&self, work: &mut Work, page: &str, deed: &Deed, minutes: u64) -> Result<mail::Link, Error> {
        let token = Token::of_link()?;
        let expires_ms = self.clock.now_ms() + minutes * 60_000;
        work.write(keys::link(&session::digest(token.reveal())), deed, Some(expires_ms))?;
        Ok(mail::Link {
            path: format!("{page}?token={}", token.reveal()),
            minutes,
        })
    }

    /// Writes another password of an account, ends its sessions but one, and tells its owner.
    pub(super) async fn set_password(&self, work: &mut Work, record: &Record, but: Option<Uuid>) -> Result<(), Error> {
        let account = &record.account;
        work.write(keys::record(account.id), record, None)?;
        self.end_all(work, account.id, but).await?;
        let mail = Mail {
            to: account.address.clone(),
            name: account.name.clone(),
            about: About::PasswordChanged,
            link: None,
        };
        mail::send(work, &mail, self.clock.now_ms()).await
    }

    /// The least number of characters of a password.
    pub fn least_password(&self) -> u32 {
        self.config.passwords.length
    }

    /// The hash of a new password, if it may be one of this account.
    pub(super) async fn hash_new(&self, account: &Account, new: &str) -> Result<String, Error> {
        let about = [account.address.to_string(), account.name.clone().unwrap_or_default()];
        let rules = self.config.passwords.clone();
        password::check_length(new, &rules)?;
        self.hasher
            .hash(new, move |normalised| password::check(normalised, &about, &rules))
            .await
    }
}
