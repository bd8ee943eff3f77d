//! Whom sessions stand for, which is asked at each request. What was read is remembered, and counts as long as the store has
//! not changed it: whatever ends a session, locks an account or changes its roles counts for the next request, as it does for
//! one that reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::Error;
use super::session::{digest, is_stale};
use super::store::decode;
use super::{Accounts, Identity};
use crate::policy;
use crate::storage::engine::{Engine, Key, Reads, Sequence};
use crate::storage::keyspace::accounts as keys;
use crate::storage::transaction::Ended;

/// The most sessions that are remembered, in a few megabytes. Of others each request reads what it needs.
const MAX_KNOWN: usize = 10_000;

/// The sessions that were used last, by the digests of their tokens.
pub(super) struct Callers(Cache<[u8; 32], Arc<Known>>);

impl Callers {
    pub(super) fn new() -> Self {
        Self(Cache::new(MAX_KNOWN))
    }
}

/// Whom a session stands for.
struct Known {
    account: policy::Account,
    /// Whether a second factor was proved in it.
    is_second_used: bool,
    seen_ms: u64,
    expires_ms: Option<u64>,
    /// What all of this was read from.
    reads: Reads,
    /// The last commit of which it is known that it has left that as it was.
    holds_at: AtomicU64,
}

impl Known {
    /// Whether nothing has changed.
    async fn holds(&self, engine: &dyn Engine) -> Result<bool, Ended> {
        let (since, until) = (self.holds_at.load(Ordering::Relaxed), engine.health().applied);
        if until > since {
            if !engine.changed(&self.reads, since, until).await?.is_empty() {
                return Ok(false);
            }
            self.holds_at.fetch_max(until, Ordering::Relaxed);
        }
        Ok(true)
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }
}

/// What each request needs to know of a session.
#[derive(Deserialize)]
struct Session {
    account: Uuid,
    seen_ms: u64,
    #[serde(default)]
    second_ms: Option<u64>,
}

/// The same of an account.
#[derive(Deserialize)]
struct Account {
    roles: Vec<String>,
    is_locked: bool,
}

/// A record, and where it stands.
struct Row<T> {
    record: T,
    expires_ms: Option<u64>,
    read: (Key, Sequence),
    applied: Sequence,
}

async fn row<T: DeserializeOwned>(engine: &dyn Engine, key: Key) -> Result<Option<Row<T>>, Error> {
    let seen = engine.get(std::slice::from_ref(&key)).await.map_err(Ended::from)?;
    let Some(stored) = seen.data.into_iter().next().flatten() else {
        return Ok(None);
    };
    Ok(Some(Row {
        record: decode(&stored.value)?,
        expires_ms: stored.expires_ms,
        read: (key, stored.version),
        applied: seen.applied,
    }))
}

/// Whom a session stands for now; nobody where it has ended, or the account is locked or gone.
async fn read(engine: &dyn Engine, digest: &[u8; 32]) -> Result<Option<Known>, Error> {
    let Some(session) = row::<Session>(engine, keys::session(digest)).await? else {
        return Ok(None);
    };
    let account = row::<Account>(engine, keys::record(session.record.account)).await?;
    let Some(account) = account.filter(|account| !account.record.is_locked) else {
        return Ok(None);
    };
    Ok(Some(Known {
        account: policy::Account {
            id: session.record.account,
            roles: account.record.roles.into(),
            limits: None,
        },
        is_second_used: session.record.second_ms.is_some(),
        seen_ms: session.record.seen_ms,
        expires_ms: session.expires_ms,
        reads: Reads {
            keys: vec![session.read, account.read],
            ranges: Vec::new(),
        },
        // What was written between the two reads counts as changed, even where the second has seen it.
        holds_at: session.applied.into(),
    }))
}

impl Accounts {
    /// Whom the token of a session stands for, as far as policy needs to know it; nobody once the session has ended, or the
    /// account is locked or gone.
    pub async fn caller(&self, token: &str) -> Result<Option<policy::Account>, Error> {
        let now_ms = self.clock.now_ms();
        let Some(known) = self.known(&digest(token)).await? else {
            return Ok(None);
        };
        if known.is_over(now_ms) {
            return Ok(None);
        }
        if is_stale(known.seen_ms, now_ms) {
            let Some(Identity { account, session, .. }) = self.identify(token).await? else {
                return Ok(None);
            };
            self.require_second(account.roles.iter(), session.second_ms.is_some())?;
            return Ok(Some(account.for_policy()));
        }
        self.require_second(known.account.roles.iter(), known.is_second_used)?;
        Ok(Some(known.account.clone()))
    }

    async fn known(&self, digest: &[u8; 32]) -> Result<Option<Arc<Known>>, Error> {
        let Callers(callers) = &self.callers;
        if let Some(known) = callers.get(digest)
            && known.holds(&*self.engine).await?
        {
            return Ok(Some(known));
        }
        let known = read(&*self.engine, digest).await?.map(Arc::new);
        match &known {
            Some(known) => callers.insert(*digest, Arc::clone(known)),
            None => _ = callers.remove(digest),
        }
        Ok(known)
    }
}
