//! `[accounts]`: registration, passwords and sessions.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use serde::Deserialize;
use toml::Spanned;

use super::reading::{RawNumber, RawText, number, word};
use crate::manifest::{Source, is_role_name};

/// Passwords and sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Whether anybody may register, or only an operator makes accounts.
    pub registration: Registration,
    /// What may be a password.
    pub passwords: Passwords,
    /// What hashing one costs.
    pub hashing: Hashing,
    /// How long a session lasts.
    pub sessions: Sessions,
    /// What is asked for beside a password.
    pub second_factor: SecondFactor,
    /// How often it may be tried to log in.
    pub attempts: Attempts,
    /// How long it is remembered what happened to an account.
    pub activity: Activity,
}

/// Who makes accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Anybody who has an e-mail address.
    #[default]
    Open,
    /// Only an operator.
    Closed,
}

/// What may be a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// The least number of characters.
    pub length: u32,
    /// The least number of characters where the account has a second factor.
    pub length_with_second_factor: u32,
    /// A file with passwords that nobody may have, beside those that are known to be common: one on each line, as it is or as
    /// its SHA-1 in hexadecimal.
    pub blocklist: Option<PathBuf>,
}

/// What is asked for beside a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondFactor {
    /// Where the keys are that seal the seeds of second factors; `None` for a file in the data directory.
    pub key_file: Option<PathBuf>,
    /// What apps for codes show beside the account; `None` for the host of the public URL.
    pub issuer: Option<String>,
    /// Whether accounts without a second factor are asked for a code that is mailed to them.
    pub email_codes: bool,
    /// The roles whose accounts must have used a second factor to do anything but look after themselves; `*` is everybody.
    pub required_for: BTreeSet<String>,
}

/// Every account, in a list of roles.
pub const EVERYBODY: &str = "*";

/// How often it may be tried to log in; all of it comes back within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// To one account, from all networks that it does not know, and from each one that it does; 0 is no limit.
    pub per_account: u32,
    /// From one network; 0 is no limit.
    pub per_network: u32,
}

/// How long it is remembered what happened to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// In days.
    pub days: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            per_account: 20,
            per_network: 300,
        }
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self { days: 90 }
    }
}

/// What hashing a password costs: the parameters of argon2id (RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Memory for each.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes, which here are computed one after the other.
    pub lanes: u32,
    /// How many are hashed at a time, where nobody else wants a core; one more where none got one for a second.
    pub concurrent: u32,
}

/// How long a session lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Without a request.
    pub idle_minutes: u32,
    /// In all.
    pub hours: u32,
    /// How long after a login, or after authenticating again, what is delicate may be done.
    pub recent_minutes: u32,
}

impl Default for Passwords {
    fn default() -> Self {
        // NIST SP 800-63B-4, 3.1.1.2, where the password is the only factor.
        Self {
            length: 15,
            length_with_second_factor: 8,
            blocklist: None,
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        // The first choice of OWASP's Password Storage Cheat Sheet.
        Self {
            memory_kib: 19 << 10,
            iterations: 2,
            lanes: 1,
            concurrent: thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        // NIST SP 800-63B-4, 2.1.3: at most 30 days where one factor is enough.
        Self {
            idle_minutes: 24 * 60,
            hours: 30 * 24,
            recent_minutes: 5,
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    registration: RawText,
    #[serde(default)]
    passwords: RawPasswords,
    #[serde(default)]
    hashing: RawHashing,
    #[serde(default)]
    sessions: RawSessions,
    #[serde(default)]
    second_factor: RawSecondFactor,
    #[serde(default)]
    attempts: RawAttempts,
    #[serde(default)]
    activity: RawActivity,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPasswords {
    length: RawNumber,
    length_with_second_factor: RawNumber,
    blocklist: RawText,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecondFactor {
    key_file: RawText,
    issuer: RawText,
    email_codes: Option<bool>,
    #[serde(default)]
    required_for: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAttempts {
    per_account: RawNumber,
    per_network: RawNumber,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawActivity {
    days: RawNumber,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHashing {
    memory_kib: RawNumber,
    iterations: RawNumber,
    lanes: RawNumber,
    concurrent: RawNumber,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSessions {
    idle_minutes: RawNumber,
    hours: RawNumber,
    recent_minutes: RawNumber,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Accounts {
    let mut accounts = Accounts::default();
    let Raw {
        registration,
        passwords,
        hashing,
        sessions,
        second_factor,
        attempts,
        activity,
    } = raw;
    let words = [("open", Registration::Open), ("closed", Registration::Closed)];
    word(registration, &words, &mut accounts.registration, source);
    let target = &mut accounts.passwords;
    number(passwords.length, 8..=64, &mut target.length, source);
    let with = &mut target.length_with_second_factor;
    number(passwords.length_with_second_factor, 8..=64, with, source);
    target.blocklist = passwords.blocklist.map(|given| PathBuf::from(given.into_inner()));

    let target = &mut accounts.hashing;
    // RFC 9106, 3.1: eight KiB for each lane.
    number(hashing.memory_kib, 8 * 16..=4 << 20, &mut target.memory_kib, source);
    number(hashing.iterations, 1..=1_000, &mut target.iterations, source);
    number(hashing.lanes, 1..=16, &mut target.lanes, source);
    number(hashing.concurrent, 1..=1_024, &mut target.concurrent, source);

    let target = &mut accounts.sessions;
    // When a session was last seen is written once a minute, so a shorter time would end sessions that are in use.
    number(sessions.idle_minutes, 2..=525_600, &mut target.idle_minutes, source);
    number(sessions.hours, 1..=8_760, &mut target.hours, source);
    number(sessions.recent_minutes, 1..=60, &mut target.recent_minutes, source);

    let target = &mut accounts.second_factor;
    target.key_file = second_factor.key_file.map(|given| PathBuf::from(given.into_inner()));
    target.issuer = second_factor.issuer.map(Spanned::into_inner);
    target.email_codes = second_factor.email_codes.unwrap_or_default();
    for role in second_factor.required_for {
        if role.get_ref() != EVERYBODY && !is_role_name(role.get_ref()) {
            let help = format!("write the names of roles, such as \"admin\", or \"{EVERYBODY}\" for everybody");
            source.complain(role.span(), format!("`{}` is no role", role.get_ref()), Some(help));
        }
        target.required_for.insert(role.into_inner());
    }

    let target = &mut accounts.attempts;
    number(attempts.per_account, 0..=1_000_000, &mut target.per_account, source);
    number(attempts.per_network, 0..=1_000_000, &mut target.per_network, source);
    number(activity.days, 1..=3_650, &mut accounts.activity.days, source);
    accounts
}
