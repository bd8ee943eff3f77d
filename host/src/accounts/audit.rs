//! What is written into the audit log of what is done to accounts. It names them by their ids; addresses, and where somebody
//! came from, are sealed under a key of the account, so that they are gone for good once that key is.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Accounts;
use super::account::{Account, Record};
use super::error::Error;
use super::sealing::{self, Key};
use super::session::Client;
use super::store::Work;
use crate::policy::ADMINISTRATOR;
use crate::storage::audit::{self, Act, Actor, Entry, Personal};
use crate::storage::engine::Direction;
use crate::storage::keyspace::accounts as keys;

/// Who does something to an account, and from where.
#[derive(Clone, Debug)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub client: Client,
    /// Whether it takes the right of an operator. An account must have that still when it is committed: much may happen between
    /// a request and its end.
    pub as_operator: bool,
}

impl By {
    /// A command, while no host has the store open.
    pub fn console() -> Self {
        Self {
            actor: Actor::Console,
            client: Client::default(),
            as_operator: true,
        }
    }
}

impl Accounts {
    /// Writes an entry about an account with what else the work writes.
    pub(super) async fn audit(
        &self,
        work: &mut Work,
        by: &By,
        act: &str,
        account: Option<&Account>,
    ) -> Result<(), Error> {
        self.audit_detail(work, by, (act, account), Value::Null).await
    }

    /// The same, with more about it, which must tell of nobody.
    pub(super) async fn audit_detail(
        &self,
        work: &mut Work,
        by: &By,
        (act, account): (&str, Option<&Account>),
        detail: Value,
    ) -> Result<(), Error> {
        let mut personal = Vec::new();
        if let Some(account) = account {
            let told = json!({ "email": account.address });
            personal.extend(self.personal(work, account.id, &told).await?);
        }
        if let Actor::Account(actor) = by.actor {
            let told = json!({ "address": by.client.address, "user_agent": by.client.agent });
            personal.extend(self.personal(work, actor, &told).await?);
        }
        work.audit(Act {
            at_ms: self.clock.now_ms(),
            actor: by.actor,
            act: act.to_owned(),
            subject: account.map(|account| account.id.to_string()),
            detail,
            personal,
        })
        .await
    }

    /// Writes down that an account was refused what only an operator may do; where it is often, not each time.
    pub async fn audit_refusal(&self, by: &By, detail: Value) -> Result<(), Error> {
        match by.actor {
            Actor::Account(account) if !self.attempts.is_refusal_told(account) => Ok(()),
            _ => self.audit_act(by, "admin.refused", None, detail).await,
        }
    }

    /// Writes an entry about something that is no account.
    pub async fn audit_act(&self, by: &By, act: &str, subject: Option<String>, detail: Value) -> Result<(), Error> {
        let act = self.act(by, act, subject, detail).await?;
        super::store::again(|| async {
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            work.audit(act.clone()).await?;
            work.commit().await
        })
        .await
    }

    /// An entry about something that is no account, for what writes it with what it tells of.
    pub async fn act(&self, by: &By, act: &str, subject: Option<String>, detail: Value) -> Result<Act, Error> {
        let personal = super::store::again(|| async {
            let Actor::Account(actor) = by.actor else {
                return Ok(None);
            };
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            let told = json!({ "address": by.client.address, "user_agent": by.client.agent });
            let personal = self.personal(&mut work, actor, &told).await?;
            work.commit().await?;
            Ok(personal)
        })
        .await?;
        Ok(Act {
            at_ms: self.clock.now_ms(),
            actor: by.actor,
            act: act.to_owned(),
            subject,
            detail,
            personal: personal.into_iter().collect(),
        })
    }

    /// That whoever acts with the right of an operator has it still. What is written after this is committed only if that holds
    /// then.
    pub(super) async fn require_right(&self, work: &mut Work, by: &By) -> Result<(), Error> {
        let (Actor::Account(actor), true) = (by.actor, by.as_operator) else {
            return Ok(());
        };
        let record: Option<Record> = work.read(&keys::record(actor)).await?;
        let has_it =
            record.is_some_and(|record| !record.account.is_locked && record.account.roles.contains(ADMINISTRATOR));
        has_it.then_some(()).ok_or(Error::NoAdministrator)
    }

    /// Entries of the audit log behind a number, the newest first, with what the keys that are left open of them.
    pub async fn audit_page(&self, behind: Option<u64>, limit: usize) -> Result<Vec<(Entry, Vec<Value>)>, Error> {
        let now_ms = self.clock.now_ms();
        let entries = audit::page(&self.engine, behind, Direction::Backward, limit, now_ms).await?;
        let mut opened = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut told = Vec::new();
            for personal in &entry.act.personal {
                told.extend(self.open_personal(personal).await?);
            }
            opened.push((entry, told));
        }
        Ok(opened)
    }

    /// Follows the chain of the audit log, in which an entry must have the expected hash.
    pub async fn audit_verify(&self, expected: Option<&str>) -> Result<audit::Report, Error> {
        Ok(audit::verify(&self.engine, expected, self.clock.now_ms()).await?)
    }

    async fn open_personal(&self, personal: &Personal) -> Result<Option<Value>, Error> {
        super::store::again(|| async {
            let mut work = self.begin();
            let key: Option<Key> = work.read(&keys::personal_key(personal.account)).await?;
            work.commit().await?;
            let opened = key.and_then(|key| sealing::open(&key, personal.account.as_bytes(), &personal.sealed));
            Ok(opened.and_then(|text| serde_json::from_slice(&text).ok()))
        })
        .await
    }

    /// What tells of a person, sealed; `None` once the account is gone.
    async fn personal(&self, work: &mut Work, account: Uuid, told: &Value) -> Result<Option<Personal>, Error> {
        let key: Option<Key> = work.read(&keys::personal_key(account)).await?;
        let Some(key) = key else { return Ok(None) };
        let sealed = sealing::seal(&key, account.as_bytes(), told.to_string().as_bytes())?;
        Ok(Some(Personal { account, sealed }))
    }
}
