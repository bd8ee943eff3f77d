//! Registering, confirming the address, and setting a new password where the old one is forgotten. None of these tells
//! whether an address has an account: the answer and the work are the same.

use std::str::FromStr as _;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::account::{Account, NewPassword, Record};
use super::activity::{Act, Event};
use super::address::Address;
use super::attempts::Familiarity;
use super::error::Error;
use super::hashing::Verified;
use super::judging::{Judging, OF_ANYBODY, OF_KNOWN};
use super::link::{self, Deed};
use super::mail::{self, About, Mail};
use super::manage::check;
use super::session::{self, Client};
use super::store::{self, Work};
use super::{Accounts, hashing, password};
use crate::config::Registration;
use crate::storage::keyspace::accounts as keys;

/// How long it takes to ask for a link that sets a new password: longer than it takes to store one.
pub(super) const FORGOTTEN: Duration = Duration::from_millis(100);
/// How long a registration waits for being confirmed.
const CONFIRM_MINUTES: u64 = 24 * 60;
/// How long a forgotten password can be reset (OWASP ASVS 5.0, 6.4.3: no longer than needed).
const RESET_MINUTES: u64 = 30;

/// With what somebody confirms a registration, whose mail they read.
#[derive(Clone, Copy, Debug)]
pub enum Confirmation<'p> {
    /// With the password that was registered.
    Registered(&'p str),
    /// With another one, which takes its place.
    Own(&'p str),
}

impl Accounts {
    /// Keeps a registration until its address is confirmed. Before that there is no account, and whoever confirms first has
    /// the address.
    pub async fn register(&self, address: &str, password: &str, name: Option<String>) -> Result<Address, Error> {
        if self.config.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        let address = Address::from_str(address).map_err(|error| Error::invalid("/email", error.to_string()))?;
        let account = Account::new(address.clone(), name, self.clock.now_ms());
        check(&account)?;
        let mut record = Record::of(account);
        record.set_password(self.hash_alone(&record.account, password, &OF_ANYBODY).await?);
        store::again(|| self.keep_registration(&record)).await?;
        Ok(address)
    }

    async fn keep_registration(&self, record: &Record) -> Result<(), Error> {
        let mut work = self.begin();
        let (address, now_ms) = (&record.account.address, self.clock.now_ms());
        let is_known = work.read::<Uuid>(&keys::address(address.as_str())).await?.is_some();
        let (about, deed) = match is_known {
            true => (About::AlreadyRegistered, Deed::Nothing),
            false => (About::Confirm, Deed::Confirm(record.clone())),
        };
        if mail::may_be_asked_for(&mut work, about, address, now_ms).await? {
            let link = self.link(&mut work, "/account/verify", &deed, CONFIRM_MINUTES)?;
            let mail = Mail {
                to: address.clone(),
                // Nothing that a stranger has written is sent to anybody in this host's name.
                name: None,
                about,
                link: Some(link).filter(|_| !is_known),
                code: None,
                client: None,
            };
            mail::send(&mut work, &mail, now_ms).await?;
        }
        work.commit().await
    }

    /// Makes the account of a registration, for one who reads the mail of the address and knows the password as well: otherwise
    /// somebody could register with an address that is not theirs, and have its owner confirm the account. Whoever reads the mail
    /// and does not know that password may have the account with another one: nobody keeps them from their address by registering
    /// with it first, or often.
    pub async fn confirm(&self, token: &str, by: Confirmation<'_>, client: &Client) -> Result<Account, Error> {
        let key = keys::link(&session::digest(token));
        let registered = store::again(|| async { link::registration(&mut self.begin(), &key).await }).await?;
        let own = self.confirmed_by(&registered, by, client).await?;
        store::again(|| async {
            let mut work = self.begin();
            let mut record = link::registration(&mut work, &key).await?;
            if let Some(own) = &own {
                record.set_password(own.clone());
                record.account.name = None;
            }
            record.account.created_ms = self.clock.now_ms();
            work.delete(key.clone());
            self.add(&mut work, &record).await?;
            self.remember(&mut work, record.account.id, client).await?;
            work.commit().await?;
            Ok(record.account)
        })
        .await
    }

    /// The password that somebody wants in the place of the registered one; none where they know that.
    async fn confirmed_by(
        &self,
        registered: &Record,
        by: Confirmation<'_>,
        client: &Client,
    ) -> Result<Option<NewPassword>, Error> {
        let account = &registered.account;
        match by {
            Confirmation::Registered(password) => {
                self.attempts.code(account.id, client, Familiarity::Unknown)?;
                let verified = self.hasher.verify(password, registered.password.as_deref()).await?;
                (verified != Verified::No)
                    .then_some(None)
                    .ok_or(Error::OtherRegistration)
            }
            Confirmation::Own(new) => {
                // What somebody else has registered with is not what it is judged by.
                let account = Account::new(account.address.clone(), None, account.created_ms);
                self.attempts.reset(registered.account.id)?;
                Ok(Some(self.hash_alone(&account, new, &OF_KNOWN).await?))
            }
        }
    }

    /// Sends a link that sets a new password, if the address has an account. It returns no sooner where there is none: a mail
    /// is more to write, and nobody is to learn by that who has an account.
    pub async fn forgot(&self, address: &str) -> Result<(), Error> {
        let done = Instant::now() + FORGOTTEN;
        let sent = self.send_reset(address).await;
        tokio::time::sleep_until(done).await;
        sent
    }

    async fn send_reset(&self, address: &str) -> Result<(), Error> {
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
            let now_ms = self.clock.now_ms();
            if mail::may_be_asked_for(&mut work, About::Reset, &address, now_ms).await? {
                let link = self.link(&mut work, "/account/reset", &deed, RESET_MINUTES)?;
                if let Some(known) = known {
                    let mail = Mail::to(&known.account, About::Reset, Some(link));
                    mail::send(&mut work, &mail, now_ms).await?;
                }
            }
            work.commit().await
        })
        .await
    }

    /// Sets a new password, and ends all sessions of the account. The second factor stays as it is.
    pub async fn reset(&self, token: &str, new: &str, client: &Client) -> Result<(), Error> {
        let key = keys::link(&session::digest(token));
        let record = store::again(|| async { link::resettable(&mut self.begin(), &key).await }).await?;
        self.attempts.reset(record.account.id)?;
        // What the account can't have is not hashed first: the link could be used for that again and again.
        if password::is_short(new, &self.config.passwords) && !self.is_guarded(record.account.id).await? {
            return Err(self.too_short());
        }
        let hash = self.hash_new(&record.account, new, &OF_KNOWN).await?;
        store::again(|| async {
            let mut work = self.begin();
            // It may have been used, and the password changed, while this one was hashed.
            let mut record = link::resettable(&mut work, &key).await?;
            work.delete(key.clone());
            self.put_password(&mut work, &mut record, &hash).await?;
            // Whoever had the password may have made tokens with it.
            self.end_tokens(&mut work, record.account.id).await?;
            self.set_password(&mut work, &record, (Act::PasswordReset, None), client)
                .await?;
            // Whoever reads the account's mail is its owner: from here they are not held back by what others try, and whoever
            // has logged in before may have been somebody else.
            self.forget(&mut work, record.account.id, None).await?;
            self.remember(&mut work, record.account.id, client).await?;
            work.commit().await
        })
        .await
    }

    /// Puts a new password into a record, if it is long enough for one with or without a second factor.
    pub(super) async fn put_password(
        &self,
        work: &mut Work,
        record: &mut Record,
        new: &NewPassword,
    ) -> Result<(), Error> {
        if new.is_short && !self.factors(work, record.account.id).await?.is_on() {
            return Err(self.too_short());
        }
        record.set_password(new.clone());
        Ok(())
    }

    /// Writes another password of an account, ends its sessions but one, and tells its owner.
    pub(super) async fn set_password(
        &self,
        work: &mut Work,
        record: &Record,
        (act, but): (Act, Option<Uuid>),
        client: &Client,
    ) -> Result<(), Error> {
        let account = &record.account;
        work.write(keys::record(account.id), record, None)?;
        self.end_all(work, account.id, but).await?;
        let event = Event::new(act, None, true, client, self.clock.now_ms());
        self.note(work, account.id, &event)?;
        let link = self.link_that_ends(work, account.id, None)?;
        self.tell(work, account, About::PasswordChanged, Some(link)).await
    }

    /// Whether an account has a second factor.
    async fn is_guarded(&self, account: Uuid) -> Result<bool, Error> {
        store::again(|| async { Ok(self.factors(&mut self.begin(), account).await?.is_on()) }).await
    }

    /// Why a password is refused that only a second factor would make long enough.
    pub(super) fn too_short(&self) -> Error {
        password::too_short(self.config.passwords.length as usize)
    }

    /// The least number of characters of a password.
    pub fn least_password(&self) -> u32 {
        self.config.passwords.length
    }

    /// The hash of the password of an account that has no second factor.
    pub(super) async fn hash_alone(
        &self,
        account: &Account,
        new: &str,
        judging: &'static Judging,
    ) -> Result<NewPassword, Error> {
        match password::is_short(new, &self.config.passwords) {
            true => Err(self.too_short()),
            false => self.hash_new(account, new, judging).await,
        }
    }

    /// The hash of a new password, if it may be one of this account. It may be one that only a second factor makes long
    /// enough.
    pub(super) async fn hash_new(
        &self,
        account: &Account,
        new: &str,
        judging: &'static Judging,
    ) -> Result<NewPassword, Error> {
        // What people know the host as is as good a guess as what they are called.
        let about = [
            Some(account.address.to_string()),
            account.name.clone(),
            Some(self.secrets.name.clone()),
            self.secrets.public_url.clone(),
        ];
        let about = about.into_iter().flatten().collect();
        let rules = self.config.passwords.clone();
        password::check_length(new, &rules)?;
        let is_short = password::is_short(new, &rules);
        let normal = hashing::normalised(new);
        if self.secrets.blocklist.has(&normal) {
            return Err(password::listed());
        }
        judging.check(normal, about, rules).await?;
        let hash = self.hasher.hash(new).await?;
        Ok(NewPassword { hash, is_short })
    }
}
