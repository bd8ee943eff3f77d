//! Sessions: a random token that only its holder has, stored as a digest, until it is ended or its time is over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::account::Account;
use super::error::Error;
use super::method::Method;
use super::store::{self, Work};
use super::{Accounts, Identity};
use crate::config::{EVERYBODY, Sessions};
use crate::storage::keyspace::accounts as keys;

/// What the token of a session begins with, so that it is known for one wherever it turns up.
const SESSION: &str = "pcs_";
/// The same for that of a link in a mail.
const LINK: &str = "pcl_";
/// The same for that of a login that waits for a second factor.
const CHALLENGE: &str = "pcc_";
/// The same for that of a login with a passkey.
const CEREMONY: &str = "pck_";
/// The same for that of a program.
pub(super) const API: &str = "pca_";
/// The random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// The most sessions of an account; a further one ends the oldest.
pub(super) const MAX_SESSIONS: usize = 100;
/// How often at most it is written when a session was last seen.
const SEEN_EVERY_MS: u64 = 60_000;
const MINUTE_MS: u64 = 60_000;

/// A session. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name, for lists; not the token.
    pub id: Uuid,
    /// Whose it is.
    pub account: Uuid,
    /// When it began.
    pub made_ms: u64,
    /// When it was last used, to the minute.
    pub seen_ms: u64,
    /// When it was last proved whose it is.
    pub proved_ms: u64,
    /// When that was last proved with a second factor, if ever.
    #[serde(default)]
    pub second_ms: Option<u64>,
    /// When it ends, however much it is used.
    pub ends_ms: u64,
    /// Who began it.
    pub client: Client,
}

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The address that it came from.
    pub address: Option<IpAddr>,
    /// What the client calls itself; cut off where it is long.
    pub agent: Option<String>,
}

impl Client {
    /// Where it comes from, as far as one household or office goes: a /24 of IPv4, a /48 of IPv6.
    pub fn network(&self) -> Option<IpAddr> {
        self.address.map(|address| match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        })
    }

    /// The same as far as one line goes: an address of IPv4, a /64 of IPv6 (RFC 6177).
    pub(super) fn place(&self) -> Option<IpAddr> {
        self.address.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        })
    }
}

/// The secret of a session or of a link; it can't be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// One of a link in a mail.
    pub(super) fn of_link() -> Result<Self, Error> {
        Self::random(LINK)
    }

    /// One of a login that waits for a second factor.
    pub(super) fn of_challenge() -> Result<Self, Error> {
        Self::random(CHALLENGE)
    }

    /// One of a login with a passkey, which holds something sealed.
    pub(super) fn of_ceremony(sealed: &str) -> Self {
        Self(format!("{CEREMONY}{sealed}"))
    }

    /// What a token of a login with a passkey holds, if it is one.
    pub(super) fn sealed_in_ceremony(token: &str) -> Option<&str> {
        token.strip_prefix(CEREMONY)
    }

    /// One of a program.
    pub(super) fn of_program() -> Result<Self, Error> {
        Self::random(API)
    }

    fn random(prefix: &str) -> Result<Self, Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
        let text = data_encoding::BASE64URL_NOPAD.encode(&bytes);
        Ok(Self(format!("{prefix}{text}")))
    }

    /// The secret itself, for the client that it belongs to.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a token is stored as. A token has 256 random bits, so nothing is to be gained by hashing it slowly.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Half of a digest: a name for a text that can't be read in it.
pub(super) fn half_digest(text: &str) -> Uuid {
    Uuid::from_bytes(digest(text).first_chunk().copied().unwrap_or_default())
}

impl Session {
    pub(super) fn new(account: Uuid, client: Client, now_ms: u64, sessions: &Sessions) -> Self {
        Self {
            id: Uuid::now_v7(),
            account,
            made_ms: now_ms,
            seen_ms: now_ms,
            proved_ms: now_ms,
            second_ms: None,
            ends_ms: now_ms + u64::from(sessions.hours) * 60 * MINUTE_MS,
            client,
        }
    }

    /// From when on it counts for nothing unless it is used before.
    pub(super) fn expires_ms(&self, sessions: &Sessions) -> u64 {
        self.ends_ms
            .min(self.seen_ms + u64::from(sessions.idle_minutes) * MINUTE_MS)
    }

    /// Notes that it was proved now whose it is.
    pub(super) fn prove(&mut self, method: Method, now_ms: u64) {
        self.proved_ms = now_ms;
        if method.is_second() {
            self.second_ms = Some(now_ms);
        }
    }

    /// Whether it was proved a short while ago whose it is.
    pub(super) fn is_recent(&self, now_ms: u64, sessions: &Sessions) -> bool {
        is_recent(self.proved_ms, now_ms, sessions)
    }

    /// Whether that was proved with a second factor.
    pub(super) fn is_recent_by_second(&self, now_ms: u64, sessions: &Sessions) -> bool {
        self.second_ms
            .is_some_and(|second_ms| is_recent(second_ms, now_ms, sessions))
    }
}

/// Whether it is to be written anew when a session was last seen.
pub(super) fn is_stale(seen_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(seen_ms) >= SEEN_EVERY_MS
}

fn is_recent(proved_ms: u64, now_ms: u64, sessions: &Sessions) -> bool {
    now_ms.saturating_sub(proved_ms) < u64::from(sessions.recent_minutes) * MINUTE_MS
}

impl Accounts {
    /// Whether a bearer token means to be one of a session.
    pub fn is_session_token(token: &str) -> bool {
        token.starts_with(SESSION)
    }

    /// Whom the token of a session stands for; nobody once the session has ended, or the account is locked or gone.
    pub async fn identify(&self, token: &str) -> Result<Option<Identity>, Error> {
        let digest = digest(token);
        store::again(|| self.holder(&digest)).await
    }

    /// Refuses an account with these roles if it must use a second factor and has not.
    pub(super) fn require_second<'r>(
        &self,
        mut roles: impl Iterator<Item = &'r String>,
        is_used: bool,
    ) -> Result<(), Error> {
        let required = &self.config.second_factor.required_for;
        if is_used || required.is_empty() {
            return Ok(());
        }
        match required.contains(EVERYBODY) || roles.any(|role| required.contains(role)) {
            true => Err(Error::SecondFactorRequired),
            false => Ok(()),
        }
    }

    async fn holder(&self, digest: &[u8; 32]) -> Result<Option<Identity>, Error> {
        let now_ms = self.clock.now_ms();
        let mut work = self.begin();
        let Some(session) = work.read::<Session>(&keys::session(digest)).await? else {
            return Ok(None);
        };
        let account: Option<Account> = work.read(&keys::record(session.account)).await?;
        let Some(account) = account.filter(|account| !account.is_locked) else {
            return Ok(None);
        };
        if is_stale(session.seen_ms, now_ms) {
            let seen = Session {
                seen_ms: now_ms,
                ..session.clone()
            };
            self.keep(&mut work, digest, &seen)?;
            // What matters is that it was valid. Where it was ended meanwhile, the commit fails, and it stays ended.
            if let Err(error) = work.commit().await {
                tracing::debug!(target: "accounts", %error, "it was not kept when a session was last seen");
            }
        }
        Ok(Some(Identity {
            account,
            session,
            token: *digest,
        }))
    }

    /// The sessions of an account, the oldest first.
    pub async fn sessions(&self, account: Uuid) -> Result<Vec<Session>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let mut sessions = Vec::new();
            for (_, digest) in self.digests(&mut work, account).await? {
                sessions.extend(work.read::<Session>(&keys::session(&digest)).await?);
            }
            work.commit().await?;
            Ok(sessions)
        })
        .await
    }

    /// Begins a session. An account with very many loses its oldest.
    pub(super) async fn add_session(&self, work: &mut Work, session: &Session) -> Result<Token, Error> {
        let held = self.digests(work, session.account).await?;
        for (oldest, digest) in held.iter().take((held.len() + 1).saturating_sub(MAX_SESSIONS)) {
            work.delete(keys::session(digest));
            work.delete(keys::session_of(session.account, *oldest));
        }
        let token = Token::random(SESSION)?;
        self.keep(work, &digest(token.reveal()), session)?;
        Ok(token)
    }

    /// Gives a session another token; the one before is good for nothing any more.
    pub(super) fn renew_token(&self, work: &mut Work, old: &[u8; 32], session: &Session) -> Result<Token, Error> {
        work.delete(keys::session(old));
        let token = Token::random(SESSION)?;
        self.keep(work, &digest(token.reveal()), session)?;
        Ok(token)
    }

    /// Writes a session, and when it expires.
    pub(super) fn keep(&self, work: &mut Work, digest: &[u8; 32], session: &Session) -> Result<(), Error> {
        let expires_ms = Some(session.expires_ms(&self.config.sessions));
        work.write(keys::session(digest), session, expires_ms)?;
        work.write(keys::session_of(session.account, session.id), digest, expires_ms)
    }

    /// How many sessions an account has.
    pub(super) async fn sessions_in(&self, work: &mut Work, account: Uuid) -> Result<u64, Error> {
        Ok(self.digests(work, account).await?.len() as u64)
    }

    /// The sessions of an account with the digests of their tokens, the oldest first.
    pub(super) async fn digests(&self, work: &mut Work, account: Uuid) -> Result<Vec<(Uuid, [u8; 32])>, Error> {
        let rows = work.scan(&keys::sessions_of(account), None, MAX_SESSIONS + 1).await?;
        rows.into_iter()
            .map(|(key, value)| {
                let id = keys::parse_session_of(&key).ok_or_else(|| Error::Internal("a session's key".to_owned()))?;
                Ok((id, store::decode(&value)?))
            })
            .collect()
    }
}
