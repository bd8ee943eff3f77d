//! Tokens for programs: made by the owner of an account, with a name, an end, and a list of what they may be used for.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Account, Record};
use super::activity::{Act, Event};
use super::changing::Changing;
use super::error::Error;
use super::mail::About;
use super::session::{self, Client, Token};
use super::store::{self, Work};
use super::{Accounts, Identity};
use crate::capabilities::model::Violation;
use crate::policy::Limits;
use crate::storage::keyspace::accounts as keys;

/// The most tokens of an account.
const MAX_TOKENS: usize = 50;
/// The longest name of a token, in bytes.
const MAX_NAME_BYTES: usize = 100;
/// The longest life of a token.
pub const MAX_DAYS: u32 = 366;
const DAY_MS: u64 = 24 * 60 * 60_000;
/// How often at most it is written when a token was last used.
const SEEN_EVERY_MS: u64 = 60 * 60_000;

/// A token for programs. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its name in lists; not the secret.
    pub id: Uuid,
    /// Whose it is.
    pub account: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Limits,
    /// When it was made.
    pub made_ms: u64,
    /// When it was last used, to the hour.
    pub seen_ms: Option<u64>,
    /// When it ends.
    pub ends_ms: u64,
    /// Whether the session that made it had used a second factor.
    #[serde(default)]
    pub is_by_second: bool,
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for: `read`, `write`, `RESOURCE:read` or `RESOURCE:write`.
    pub scopes: Vec<String>,
    /// How long it lasts.
    pub days: u32,
}

impl Accounts {
    /// Whether a bearer token means to be one for programs.
    pub fn is_api_token(token: &str) -> bool {
        token.starts_with(session::API)
    }

    /// Makes a token. Its secret is shown this once.
    pub async fn make_token(
        &self,
        identity: &Identity,
        new: &NewToken,
        client: &Client,
    ) -> Result<(ApiToken, Token), Error> {
        let scopes = checked(new)?;
        self.attempts.act(identity.account.id)?;
        store::again(|| async {
            let mut work = self.begin();
            let Changing { record, session, .. } = self.changing_factors(&mut work, identity).await?;
            let is_by_second = session.second_ms.is_some();
            self.require_second(record.account.roles.iter(), is_by_second)?;
            let account = record.account.id;
            let held = work.scan(&keys::tokens_of(account), None, MAX_TOKENS).await?;
            if held.len() >= MAX_TOKENS {
                return Err(Error::Conflict(
                    "an account has at most 50 tokens: end one that is not used",
                ));
            }
            let now_ms = self.clock.now_ms();
            let made = ApiToken {
                id: Uuid::now_v7(),
                account,
                name: new.name.clone(),
                scopes: scopes.clone(),
                made_ms: now_ms,
                seen_ms: None,
                ends_ms: now_ms + u64::from(new.days) * DAY_MS,
                is_by_second,
            };
            let token = Token::of_program()?;
            self.write_token(&mut work, &session::digest(token.reveal()), &made)?;
            let event = Event::new(Act::TokenMade, None, true, client, now_ms);
            self.note(&mut work, account, &event)?;
            let link = self.link_that_ends(&mut work, account, None)?;
            self.tell(&mut work, &record.account, About::TokenMade, Some(link))
                .await?;
            work.commit().await?;
            Ok((made, token))
        })
        .await
    }

    /// The tokens of an account, the oldest first.
    pub async fn tokens(&self, account: Uuid) -> Result<Vec<ApiToken>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let mut tokens = Vec::new();
            for (_, digest) in work.scan(&keys::tokens_of(account), None, MAX_TOKENS).await? {
                let digest: [u8; 32] = store::decode(&digest)?;
                tokens.extend(work.read::<ApiToken>(&keys::token(&digest)).await?);
            }
            work.commit().await?;
            Ok(tokens)
        })
        .await
    }

    /// Ends a token of an account.
    pub async fn end_token(&self, account: Uuid, token: Uuid, client: &Client) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            let key = keys::token_of(account, token);
            let digest: [u8; 32] = work.read(&key).await?.ok_or(Error::NotFound)?;
            work.delete(keys::token(&digest));
            work.delete(key);
            let event = Event::new(Act::TokenEnded, None, true, client, self.clock.now_ms());
            self.note(&mut work, account, &event)?;
            work.commit().await
        })
        .await
    }

    /// Whom a token stands for, and for what; nobody once it has ended, or the account is locked or gone.
    pub async fn identify_program(&self, token: &str) -> Result<Option<(Account, Limits)>, Error> {
        let digest = session::digest(token);
        store::again(|| async {
            let mut work = self.begin();
            let Some(held) = work.read::<ApiToken>(&keys::token(&digest)).await? else {
                return Ok(None);
            };
            let record: Option<Record> = work.read(&keys::record(held.account)).await?;
            let Some(record) = record.filter(|record| !record.account.is_locked) else {
                return Ok(None);
            };
            self.require_second(record.account.roles.iter(), held.is_by_second)?;
            let now_ms = self.clock.now_ms();
            let scopes = held.scopes.clone();
            if held
                .seen_ms
                .is_none_or(|seen_ms| now_ms.saturating_sub(seen_ms) >= SEEN_EVERY_MS)
            {
                let seen = ApiToken {
                    seen_ms: Some(now_ms),
                    ..held
                };
                self.write_token(&mut work, &digest, &seen)?;
                // Where it was ended meanwhile, the commit fails, and it stays ended.
                if let Err(error) = work.commit().await {
                    tracing::debug!(target: "accounts", %error, "it was not kept when a token was last used");
                }
            }
            Ok(Some((record.account, scopes)))
        })
        .await
    }

    /// Ends all tokens of an account.
    pub(super) async fn end_tokens(&self, work: &mut Work, account: Uuid) -> Result<u64, Error> {
        let held = work.scan(&keys::tokens_of(account), None, MAX_TOKENS).await?;
        let ended = held.len() as u64;
        for (key, digest) in held {
            work.delete(keys::token(&store::decode(&digest)?));
            work.delete(key);
        }
        Ok(ended)
    }

    fn write_token(&self, work: &mut Work, digest: &[u8; 32], token: &ApiToken) -> Result<(), Error> {
        work.write(keys::token(digest), token, Some(token.ends_ms))?;
        work.write(keys::token_of(token.account, token.id), digest, Some(token.ends_ms))
    }
}

/// What a new token may be used for, if it may be made.
fn checked(new: &NewToken) -> Result<Limits, Error> {
    let mut violations = Vec::new();
    let mut complain = |pointer: &str, message: String| {
        violations.push(Violation {
            pointer: pointer.to_owned(),
            message,
        });
    };
    if new.name.is_empty() || new.name.len() > MAX_NAME_BYTES || new.name.chars().any(char::is_control) {
        complain(
            "/name",
            format!("a name has 1 to {MAX_NAME_BYTES} bytes, and no control characters"),
        );
    }
    if !(1..=MAX_DAYS).contains(&new.days) {
        complain("/expires_in_days", format!("a token lasts 1 to {MAX_DAYS} days"));
    }
    let scopes = Limits::parse(&new.scopes);
    if let Err(message) = &scopes {
        complain("/scopes", message.clone());
    }
    match (scopes, violations.is_empty()) {
        (Ok(scopes), true) => Ok(scopes),
        _ => Err(Error::Invalid(violations)),
    }
}
