//! How often it may be tried to log in: per network, and per account. Nobody is locked out by what others do elsewhere: places from
//! which the owner has logged in before, or has set a password with a link in a mail, have budgets of their own, and so has a new
//! password. What nobody can guess, such as what a passkey signs, has a budget that only its holder uses up; what is wrong is
//! counted with the wrong passwords.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use uuid::Uuid;

use super::error::Error;
use super::session::Client;
use crate::config;

/// A whole budget comes back in this time.
const WHOLE_BACK: Duration = Duration::from_secs(60 * 60);
/// Codes of second factors that may be tried at once. A code is one of a million, and each is good for a minute and a half.
const CODES: u32 = 10;
/// How many times the budget of a place a network has that an account knows.
const NEIGHBOURS: u32 = 10;
/// How many times the budget of passwords an account may use passkeys that are right.
const PASSKEYS: u32 = 3;
/// Changes of an account at once that its owner is told of.
const ACTS: u32 = 20;
/// Refusals of an account at once that are written down.
const REFUSALS: u32 = 60;
/// Attempts to log in at once, to an account and from a network, of which it is written down that they were held back; one more
/// each minute.
const HELD_BACK: u32 = 60;
/// How many attempts go by until those who have tried nothing of late are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// How well an account knows from where somebody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Familiarity {
    /// Somebody has logged in from this very place.
    Place,
    /// Somebody has logged in from another place in the network.
    Network,
    /// Nobody has logged in from anywhere near.
    Unknown,
}

/// Budgets in memory; a restart gives all of them back.
pub(super) struct Attempts {
    networks: Option<Budget<IpAddr>>,
    /// Of an account, for all networks that it does not know, together.
    strangers: Option<Budget<Uuid>>,
    /// Of an account, for each place in a network that it knows.
    familiars: Option<Budget<(Uuid, IpAddr)>>,
    /// Of an account, for all places of a network that it knows, together, but for those that it knows themselves.
    familiar_networks: Option<Budget<(Uuid, IpAddr)>>,
    /// Of codes of an account, for each place or network that it knows, and for all others together.
    codes: Option<Budget<(Uuid, Option<IpAddr>)>>,
    acts: Option<Budget<Uuid>>,
    refusals: Option<Budget<Uuid>>,
    held_back: Option<Budget<Uuid>>,
    held_back_networks: Option<Budget<Option<IpAddr>>>,
    resets: Option<Budget<Uuid>>,
    passkeys: Option<Budget<Uuid>>,
}

struct Budget<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    asked: AtomicU32,
}

impl<K: Hash + Eq + Clone> Budget<K> {
    /// So many at once, which come back within the hour; 0 is no limit.
    fn new(burst: u32) -> Option<Self> {
        let burst = NonZeroU32::new(burst)?;
        let quota = Quota::with_period(WHOLE_BACK / burst.get())?.allow_burst(burst);
        Some(Self {
            limiter: DefaultKeyedRateLimiter::keyed(quota),
            asked: AtomicU32::new(0),
        })
    }

    fn take(&self, key: &K) -> Result<(), Error> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|refused| Error::TooManyAttempts {
            retry_after_s: refused.wait_time_from(DefaultClock::default().now()).as_secs() as u32 + 1,
        })
    }
}

impl Attempts {
    pub(super) fn new(config: &config::Attempts) -> Self {
        Self {
            networks: Budget::new(config.per_network),
            strangers: Budget::new(config.per_account),
            familiars: Budget::new(config.per_account),
            familiar_networks: Budget::new(config.per_account.saturating_mul(NEIGHBOURS)),
            codes: Budget::new(config.per_account.min(CODES)),
            acts: Budget::new(config.per_account.min(ACTS)),
            refusals: Budget::new(REFUSALS),
            held_back: Budget::new(HELD_BACK),
            held_back_networks: Budget::new(HELD_BACK),
            resets: Budget::new(config.per_account.min(ACTS)),
            passkeys: Budget::new(config.per_account.saturating_mul(PASSKEYS)),
        }
    }

    /// Lets somebody try to log in. `about` is what [`Record::budget`](super::account::Record::budget) says, or what stands for an
    /// address that has no account.
    pub(super) fn login(&self, about: Uuid, client: &Client, familiarity: Familiarity) -> Result<(), Error> {
        if self.login_as_familiar(about, client, familiarity) {
            return Ok(());
        }
        if let Some(network) = client.network() {
            take(self.networks.as_ref(), &network)?;
        }
        take(self.strangers.as_ref(), &about)
    }

    /// Whether what is kept for those who are known lets them; else they are as good as anybody.
    fn login_as_familiar(&self, about: Uuid, client: &Client, familiarity: Familiarity) -> bool {
        let (Some(network), Some(place)) = (client.network(), client.place()) else {
            return false;
        };
        let by_place = || take(self.familiars.as_ref(), &(about, place)).is_ok();
        match familiarity {
            // No neighbour holds them back.
            Familiarity::Place => by_place(),
            Familiarity::Network => by_place() && take(self.familiar_networks.as_ref(), &(about, network)).is_ok(),
            Familiarity::Unknown => false,
        }
    }

    /// Lets somebody try a code, who knows the password already. Where the account knows them, they have a budget of their own.
    pub(super) fn code(&self, account: Uuid, client: &Client, familiarity: Familiarity) -> Result<(), Error> {
        let from = match familiarity {
            Familiarity::Place => client.place(),
            Familiarity::Network => client.network(),
            Familiarity::Unknown => None,
        };
        take(self.codes.as_ref(), &(account, from))
    }

    /// Lets the owner of an account do something that leaves a trace each time, such as a mail.
    pub(super) fn act(&self, account: Uuid) -> Result<(), Error> {
        take(self.acts.as_ref(), &account)
    }

    /// Whether it is worth writing down that an account was refused something: not each time.
    pub(super) fn is_refusal_told(&self, account: Uuid) -> bool {
        take(self.refusals.as_ref(), &account).is_ok()
    }

    /// Lets somebody who has a link for it set a new password. Nobody else uses this up.
    pub(super) fn reset(&self, account: Uuid) -> Result<(), Error> {
        take(self.resets.as_ref(), &account)
    }

    /// Lets somebody do what their passkey has signed, which leaves a trace each time. Nobody else uses this up.
    pub(super) fn passkey(&self, account: Uuid) -> Result<(), Error> {
        take(self.passkeys.as_ref(), &account)
    }

    /// Whether it is worth writing down that an attempt was held back: not each time, as that would be work for an attacker to
    /// give, with the same address or with many. `about` is an account's id, or what stands for an address that has no account.
    pub(super) fn is_held_back_told(&self, about: Uuid, client: &Client) -> bool {
        take(self.held_back_networks.as_ref(), &client.network()).is_ok()
            && take(self.held_back.as_ref(), &about).is_ok()
    }
}

/// Takes one of a budget, where there is one.
fn take<K: Hash + Eq + Clone>(budget: Option<&Budget<K>>, key: &K) -> Result<(), Error> {
    budget.map_or(Ok(()), |budget| budget.take(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(per_account: u32, per_network: u32) -> Attempts {
        Attempts::new(&config::Attempts {
            per_account,
            per_network,
        })
    }

    fn from(network: u8) -> Client {
        at(network, 1)
    }

    fn at(network: u8, host: u8) -> Client {
        Client {
            address: Some(IpAddr::from([10, 0, network, host])),
            agent: None,
        }
    }

    #[test]
    fn a_neighbour_in_a_network_that_is_known_locks_nobody_out() {
        let (attempts, ada) = (attempts(10, 100), Uuid::from_u128(1));
        let tried = (0..1_000).filter(|_| attempts.login(ada, &at(1, 99), Familiarity::Network).is_ok());
        // The second ten are what the account has for anybody.
        assert_eq!(tried.count(), 10 + 10);
        assert!(attempts.login(ada, &at(1, 10), Familiarity::Network).is_ok());
        // All of them together do not get any number of attempts, and use up nothing of a place that is known itself.
        let tried = (100..=255).flat_map(|host| std::iter::repeat_n(host, 10));
        let tried = tried.filter(|host| attempts.login(ada, &at(2, *host), Familiarity::Network).is_ok());
        assert_eq!(tried.count(), 100);
        assert!(attempts.login(ada, &at(2, 10), Familiarity::Network).is_err());
        let at_home = (0..1_000).filter(|_| attempts.login(ada, &at(2, 11), Familiarity::Place).is_ok());
        assert_eq!(at_home.count(), 10);
    }

    #[test]
    fn an_attack_from_many_networks_does_not_lock_out_one_that_is_known() {
        let (attempts, ada) = (attempts(10, 100), Uuid::from_u128(1));
        let passed = (0..=255).filter(|network| attempts.login(ada, &from(*network), Familiarity::Unknown).is_ok());
        assert_eq!(passed.count(), 10);
        assert!(attempts.login(ada, &from(0), Familiarity::Place).is_ok());
        // Nor do its neighbours, whatever they try.
        let neighbours = (100..1_100).filter(|account| {
            attempts
                .login(Uuid::from_u128(*account), &from(9), Familiarity::Unknown)
                .is_ok()
        });
        assert!(neighbours.count() < 1_000);
        assert!(attempts.login(ada, &from(9), Familiarity::Network).is_ok());
        assert!(
            attempts
                .login(Uuid::from_u128(2), &from(0), Familiarity::Unknown)
                .is_ok(),
            "another account"
        );
    }

    #[test]
    fn one_network_tries_only_so_many_accounts() {
        let attempts = attempts(10, 100);
        let tried = (0..1_000).filter(|account| {
            attempts
                .login(Uuid::from_u128(*account), &from(1), Familiarity::Unknown)
                .is_ok()
        });
        assert_eq!(tried.count(), 100);
        let refused = attempts.login(Uuid::from_u128(1), &from(1), Familiarity::Unknown);
        assert!(
            matches!(refused, Err(Error::TooManyAttempts { retry_after_s: 1..=37 })),
            "{refused:?}"
        );
    }

    #[test]
    fn codes_of_one_account_are_tried_only_so_often() {
        let attempts = attempts(1_000, 0);
        let (ada, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let tried = (0..100).filter(|network| attempts.code(ada, &from(*network), Familiarity::Unknown).is_ok());
        assert_eq!(tried.count(), 10);
        assert!(
            attempts.code(ada, &from(1), Familiarity::Network).is_ok(),
            "a network that is known"
        );
        assert!(attempts.code(eve, &from(1), Familiarity::Unknown).is_ok());
    }
}
