//! What is kept of an account beside what its owner lists elsewhere: for the archive that they take with them.

use super::account::Account;
use super::error::Error;
use super::mail::{MAIL, Mail};
use super::store::{self, Work};
use super::watch::KnownPlace;
use super::{Accounts, erase};
use crate::storage::engine::{Key, MAX_SCAN_ROWS};
use crate::storage::keyspace::outbox as keys;
use crate::storage::outbox::{self, Entry};

/// What is remembered of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// From where somebody has logged in.
    pub known: Vec<KnownPlace>,
    /// When somebody failed to log in, of late, in milliseconds since the Unix epoch.
    pub failed_ms: Vec<u64>,
    /// Whether a login asks for a code of an app.
    pub has_totp: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes: usize,
}

/// A mail that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The mail. Its link and its code are for one who reads the mail of the address, and for nobody else.
    pub mail: Mail,
    /// When it was stored, in milliseconds since the Unix epoch.
    pub made_ms: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it is not tried any more.
    pub is_dead: bool,
}

impl Accounts {
    /// What is remembered of an account.
    pub async fn remembered(&self, account: &Account) -> Result<Remembered, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let watch = self.watch(&mut work, account.id).await?;
            let factors = self.factors(&mut work, account.id).await?;
            work.commit().await?;
            Ok(Remembered {
                known: watch.known().to_vec(),
                failed_ms: watch.failed_ms().to_vec(),
                has_totp: factors.totp.is_some(),
                recovery_codes: factors.recovery.len(),
            })
        })
        .await
    }

    /// The mails to an account that were not delivered.
    pub async fn undelivered(&self, account: &Account) -> Result<Vec<Undelivered>, Error> {
        let address = account.address.as_str();
        let mut undelivered = store::again(|| async {
            let mut work = self.begin();
            let lane = keys::lane(&outbox::lane(MAIL, address));
            let rows = work.scan(&lane, None, MAX_SCAN_ROWS).await?;
            work.commit().await?;
            let rows = rows.iter().map(|(_, row)| described(row, false));
            rows.collect::<Result<Vec<_>, Error>>()
        })
        .await?;
        let is_to = |row: &[u8]| described(row, true).is_ok_and(|letter| letter.mail.to == account.address);
        let mut behind = None;
        loop {
            let found = erase::find(&self.engine, &keys::all_dead(), behind, is_to).await?;
            for key in &found.keys {
                let row = store::again(|| async { read(self.begin(), key).await }).await?;
                undelivered.extend(row.map(|entry| letter(entry, true)).transpose()?);
            }
            behind = found.behind;
            if behind.is_none() {
                return Ok(undelivered);
            }
        }
    }
}

async fn read(mut work: Work, key: &Key) -> Result<Option<Entry>, Error> {
    let entry = work.read(key).await?;
    work.commit().await?;
    Ok(entry)
}

fn described(row: &[u8], is_dead: bool) -> Result<Undelivered, Error> {
    letter(store::decode(row)?, is_dead)
}

fn letter(entry: Entry, is_dead: bool) -> Result<Undelivered, Error> {
    let mail = serde_json::from_value(entry.payload);
    Ok(Undelivered {
        mail: mail.map_err(|error| Error::Internal(format!("a mail is unreadable: {error}")))?,
        made_ms: entry.made_ms,
        attempts: entry.attempts,
        is_dead,
    })
}
