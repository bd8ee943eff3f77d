//! Sign-ins that are under way at a provider: what was begun, by which browser, and what is to come of it. Each is finished
//! once, by the browser that began it, within minutes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::Error;
use super::session;
use super::store;
use super::{Accounts, Identity};
use crate::storage::keyspace::accounts as keys;

/// How long somebody may take at the provider.
const MINUTES: u64 = 10;

/// A sign-in that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The provider.
    pub provider: String,
    /// What comes of it.
    pub purpose: Purpose,
    /// Whether a session's secret goes into a cookie, and not into the answer.
    pub in_cookie: bool,
    /// Where the browser goes in the end: a path of this host.
    pub return_to: Option<String>,
    /// The digest of the secret in the browser's cookie.
    browser: [u8; 32],
}

/// What comes of a sign-in at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A session begins.
    LogIn,
    /// The account of this session has another way to log in.
    Link(Acting),
}

/// One who acts through a session, as it was when something was begun. Once the session has another token, it is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acting {
    pub(super) account: Uuid,
    pub(super) session: Uuid,
    pub(super) token: [u8; 32],
}

impl Flow {
    /// A sign-in of a browser that has a secret in a cookie.
    pub fn new(provider: &str, purpose: Purpose, secret: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            purpose,
            in_cookie: false,
            return_to: None,
            browser: session::digest(secret),
        }
    }
}

impl Purpose {
    /// Links what the provider says to the account that acts. It must have been proved a short while ago who acts, with a
    /// second factor where the account has one.
    pub async fn link(accounts: &Accounts, identity: &Identity) -> Result<Self, Error> {
        accounts.attempts.act(identity.account.id)?;
        store::again(|| async { accounts.changing_factors(&mut accounts.begin(), identity).await }).await?;
        Ok(Self::Link(identity.acting()))
    }
}

impl Accounts {
    /// Keeps a sign-in under its state until it is finished.
    pub async fn keep_flow(&self, state: &str, flow: &Flow) -> Result<(), Error> {
        let expires_ms = self.clock.now_ms() + MINUTES * 60_000;
        let mut work = self.begin();
        work.write(keys::flow(&session::digest(state)), flow, Some(expires_ms))?;
        work.commit().await
    }

    /// The sign-in with this state, for the browser that began it. It is gone afterwards; for another browser it is as if
    /// there were none.
    pub async fn take_flow(&self, state: &str, secret: &str) -> Result<Flow, Error> {
        let key = keys::flow(&session::digest(state));
        store::again(|| async {
            let mut work = self.begin();
            let flow: Option<Flow> = work.read(&key).await?;
            let flow = flow.filter(|flow| flow.browser == session::digest(secret));
            let flow = flow.ok_or(Error::FlowSpent)?;
            work.delete(key.clone());
            work.commit().await?;
            Ok(flow)
        })
        .await
    }
}
