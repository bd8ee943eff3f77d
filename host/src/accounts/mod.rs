//! Accounts: who somebody is, and how that is proved. It knows no HTTP.

mod account;
mod address;
mod error;
mod hashing;
mod login;
mod mail;
mod manage;
mod password;
mod register;
mod session;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use uuid::Uuid;

pub use account::Account;
pub use address::{Address, NoAddress};
pub use error::Error;
pub use login::Login;
pub use mail::{About, Link, MAIL, Mail};
pub use manage::{Change, MAX_PAGE, NewAccount};
pub use session::{Client, Session, Token};

use crate::config;
use crate::storage::clock::Clock;
use crate::storage::engine::Engine;
use hashing::Hasher;
use store::Work;

/// The accounts of a store.
pub struct Accounts {
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
    config: config::Accounts,
    hasher: Hasher,
}

/// An account and the session through which it acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who acts.
    pub account: Account,
    /// Through what.
    pub session: Session,
}

impl Accounts {
    /// The accounts of a store. Fails where passwords can't be hashed as the configuration says.
    pub fn new(engine: Arc<dyn Engine>, clock: Arc<dyn Clock>, config: config::Accounts) -> Result<Self, String> {
        Ok(Self {
            engine,
            clock,
            hasher: Hasher::new(&config.hashing)?,
            config,
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
