//! `[accounts]`: registration, passwords and sessions.

use std::thread;

use serde::Deserialize;

use super::reading::{RawNumber, RawText, number, word};
use crate::manifest::Source;

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
    /// How many are hashed at a time.
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
        Self { length: 15 }
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
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPasswords {
    length: RawNumber,
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
    } = raw;
    let words = [("open", Registration::Open), ("closed", Registration::Closed)];
    word(registration, &words, &mut accounts.registration, source);
    number(passwords.length, 8..=64, &mut accounts.passwords.length, source);

    let target = &mut accounts.hashing;
    // RFC 9106, 3.1: eight KiB for each lane.
    number(hashing.memory_kib, 8 * 16..=4 << 20, &mut target.memory_kib, source);
    number(hashing.iterations, 1..=1_000, &mut target.iterations, source);
    number(hashing.lanes, 1..=16, &mut target.lanes, source);
    number(hashing.concurrent, 1..=1_024, &mut target.concurrent, source);

    let target = &mut accounts.sessions;
    number(sessions.idle_minutes, 1..=525_600, &mut target.idle_minutes, source);
    number(sessions.hours, 1..=8_760, &mut target.hours, source);
    number(sessions.recent_minutes, 1..=60, &mut target.recent_minutes, source);
    accounts
}
