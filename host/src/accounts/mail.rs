//! The mails that accounts cause. They go into the outbox with what causes them; who delivers them is not known here.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::address::Address;
use super::error::Error;
use super::session::{Client, half_digest};
use super::store::Work;
use crate::storage::keyspace::accounts as keys;
use crate::storage::outbox::Entry;

/// The target of mails in the outbox.
pub const MAIL: &str = "mail";

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Whom it goes to.
    pub to: Address,
    /// What the person wants to be called.
    pub name: Option<String>,
    /// What it is about.
    pub about: About,
    /// What the person is to open, and for how long that does something.
    pub link: Option<Link>,
    /// A code that is to be typed.
    #[serde(default)]
    pub code: Option<String>,
    /// Where what the mail is about came from.
    #[serde(default)]
    pub client: Option<Client>,
}

impl Mail {
    /// A mail to the owner of an account.
    pub(super) fn to(account: &Account, about: About, link: Option<Link>) -> Self {
        Self {
            to: account.address.clone(),
            name: account.name.clone(),
            about,
            link,
            code: None,
            client: None,
        }
    }
}

/// What a mail is about; each has templates of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Somebody registers with the address: is it theirs?
    Confirm,
    /// Somebody registers with an address that has an account.
    AlreadyRegistered,
    /// Somebody has forgotten the password.
    Reset,
    /// The account has another password.
    PasswordChanged,
    /// Somebody has logged in from a new device or network.
    NewLogin,
    /// Somebody has failed to log in many times.
    ManyFailures,
    /// The account has another second factor, or none any more.
    FactorChanged,
    /// The account is linked to another identity at a provider, or to one less.
    IdentityChanged,
    /// The account has a token for programs more.
    TokenMade,
    /// A login waits for a code.
    Code,
}

impl About {
    /// All of them that somebody who is not signed in may ask for.
    pub(super) const UNASKED: [Self; 3] = [Self::Confirm, Self::AlreadyRegistered, Self::Reset];

    /// Its name, as the templates have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::AlreadyRegistered => "already-registered",
            Self::Reset => "reset",
            Self::PasswordChanged => "password-changed",
            Self::NewLogin => "new-login",
            Self::ManyFailures => "many-failures",
            Self::FactorChanged => "factor-changed",
            Self::IdentityChanged => "identity-changed",
            Self::TokenMade => "token-made",
            Self::Code => "code",
        }
    }
}

/// A link in a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its path and query, behind the public URL.
    pub path: String,
    /// How long it does something.
    pub minutes: u64,
}

/// Mails of a kind to one address that somebody who is not signed in may ask for, so that nobody is flooded with them, and
/// none keeps back one of another kind. As many for each kind: otherwise a registration would be less work from some time on
/// where the address has an account.
const MAX_UNASKED: usize = 5;
/// In this time: no longer than a link to reset is good, so that there is always one that is.
const UNASKED_WITHIN_MS: u64 = 30 * 60_000;

/// How long a code in a mail is good.
pub(super) const CODE_MINUTES: u64 = 10;

/// Stores a mail with what else the work writes.
pub(super) async fn send(work: &mut Work, mail: &Mail, now_ms: u64) -> Result<(), Error> {
    let payload = serde_json::to_value(mail).map_err(|error| Error::Internal(error.to_string()))?;
    let mut entry = Entry::new(MAIL, mail.to.as_str(), payload, now_ms);
    let minutes = mail.link.as_ref().map(|link| link.minutes);
    let minutes = minutes.or(mail.code.as_ref().map(|_| CODE_MINUTES));
    entry.expires_ms = minutes.map(|minutes| now_ms + minutes * 60_000);
    work.enqueue(&entry).await
}

/// Whether somebody who is not signed in may have an address sent one more mail of a kind, which is counted then: not where there
/// were many of late. It is counted for addresses that get none as well, so it is kept under a hash.
pub(super) async fn may_be_asked_for(work: &mut Work, about: About, to: &Address, now_ms: u64) -> Result<bool, Error> {
    let key = keys::mailed(about.as_str(), half_digest(to.as_str()));
    let mut times: Vec<u64> = work.read(&key).await?.unwrap_or_default();
    times.retain(|time_ms| now_ms.saturating_sub(*time_ms) < UNASKED_WITHIN_MS);
    if times.len() >= MAX_UNASKED {
        tracing::warn!(target: "accounts", "an address was sent many mails of late; one is left out");
        return Ok(false);
    }
    times.push(now_ms);
    work.write(key, &times, Some(now_ms + UNASKED_WITHIN_MS))?;
    Ok(true)
}
