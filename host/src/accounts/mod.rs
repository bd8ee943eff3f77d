//! Accounts: who somebody is, and how that is proved. It knows no HTTP.

mod account;
mod activity;
mod address;
mod attempts;
mod audit;
mod blocklist;
mod callers;
mod challenge;
mod changing;
mod ending;
mod erase;
mod error;
mod factor;
mod federation;
mod flow;
mod hashing;
mod judging;
mod link;
mod login;
mod mail;
mod manage;
mod method;
mod passkeys;
mod password;
mod register;
mod remembered;
mod sealing;
mod session;
mod setup;
mod store;
mod token;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;
use uuid::Uuid;

pub use account::Account;
pub use activity::{Act, Event, MAX_EVENTS};
pub use address::{Address, NoAddress};
pub use audit::By;
pub use blocklist::Blocklist;
pub use challenge::Challenge;
pub use erase::{Receipt, ReceiptKey, Removed, Signed, Traces};
pub use error::Error;
pub use factor::Offer;
pub use federation::{Assertion, FederatedIdentity};
pub use flow::{Acting, Flow, Purpose};
pub use link::LinkFor;
pub use login::{LoggedIn, Login, Proof};
pub use mail::{About, Link, MAIL, Mail};
pub use manage::{Change, MAX_PAGE, NewAccount};
pub use method::Method;
pub use passkeys::{Added, NewPasskey, Passkey, PasskeyAnswer};
pub use register::Confirmation;
pub use remembered::{Remembered, Undelivered};
pub use sealing::SeedKeys;
pub use session::{Client, Session, Token};
pub use token::{ApiToken, MAX_DAYS, NewToken};
pub use watch::KnownPlace;

use crate::config;
use crate::storage::clock::Clock;
use crate::storage::engine::Engine;
use attempts::Attempts;
use callers::Callers;
use hashing::Hasher;
use passkeys::RelyingParty;
use store::Work;

/// The accounts of a store.
pub struct Accounts {
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
    config: config::Accounts,
    hasher: Hasher,
    attempts: Attempts,
    callers: Callers,
    /// What passkeys are bound to, where that is known.
    relying_party: Option<RelyingParty>,
    secrets: Secrets,
    /// Steps of erasures that are taken at a time.
    erasing: Semaphore,
}

/// What accounts need that is kept outside the store.
pub struct Secrets {
    /// What seals the seeds of second factors.
    pub seeds: SeedKeys,
    /// What signs receipts.
    pub receipts: ReceiptKey,
    /// What people know this host as: in their apps for codes.
    pub name: String,
    /// Where people reach it: what passkeys are bound to.
    pub public_url: Option<String>,
    /// Passwords that nobody may have.
    pub blocklist: Blocklist,
}

/// An account and the session through which it acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who acts.
    pub account: Account,
    /// Through what.
    pub session: Session,
    /// The digest of the token that was presented: once the session has another, it stands for nobody.
    token: [u8; 32],
}

impl Identity {
    /// Who acts, for what is finished later.
    fn acting(&self) -> Acting {
        Acting {
            account: self.account.id,
            session: self.session.id,
            token: self.token,
        }
    }
}

impl Accounts {
    /// The accounts of a store. Fails where passwords can't be hashed as the configuration says.
    pub fn new(
        engine: Arc<dyn Engine>,
        clock: Arc<dyn Clock>,
        config: config::Accounts,
        secrets: Secrets,
    ) -> Result<Self, String> {
        let public_url = secrets.public_url.as_deref();
        Ok(Self {
            engine,
            clock,
            hasher: Hasher::new(&config.hashing)?,
            attempts: Attempts::new(&config.attempts),
            callers: Callers::new(),
            relying_party: public_url.and_then(|url| RelyingParty::new(url, &secrets.name)),
            secrets,
            config,
            erasing: Semaphore::new(erase::TOGETHER),
        })
    }

    fn begin(&self) -> Work {
        Work::begin(&self.engine, self.clock.now_ms())
    }

    /// The record of an account that is known to have been there.
    async fn record(&self, work: &mut Work, account: Uuid) -> Result<account::Record, Error> {
        let key = crate::storage::keyspace::accounts::record(account);
        work.read(&key).await?.ok_or(Error::NotFound)
    }
}
