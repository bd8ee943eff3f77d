//! How often it may be tried to log in: per network, and per account. Nobody is locked out by what others do: addresses in networks
//! from which the owner has logged in before, or has set a password with a link in a mail, have budgets of their own, and so has a
//! new password. What nobody can guess, such as what a passkey signs, has a budget that only its holder uses up, and what is wrong
//! another one.

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
/// How many times the budget of an address a network has that an account knows.
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

/// Budgets in memory; a restart gives all of them back.
pub(super) struct Attempts {
    networks: Option<Budget<IpAddr>>,
    /// Of an account, for all networks that it does not know, together.
    strangers: Option<Budget<Uuid>>,
    /// Of an account, for each address in a network that it knows.
    familiars: Option<Budget<(Uuid, IpAddr)>>,
    /// Of an account, for all addresses of a network that it knows, together.
    familiar_networks: Option<Budget<(Uuid, IpAddr)>>,
    /// Of codes of an account, for each network that it knows, and for all others together.
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
    pub(super) fn login(&self, about: Uuid, client: &Client, is_familiar: bool) -> Result<(), Error> {
        let network = client.network();
        // Whoever is known there is held back by no neighbour.
        if let (true, Some(network), Some(place)) = (is_familiar, network, client.place()) {
            take(self.familiars.as_ref(), &(about, place))?;
            return take(self.familiar_networks.as_ref(), &(about, network));
        }
        if let Some(network) = network {
            take(self.networks.as_ref(), &network)?;
        }
        take(self.strangers.as_ref(), &about)
    }

    /// Lets somebody try a code, who knows the password already. Networks that the account knows have a budget of their own.
    pub(super) fn code(&self, account: Uuid, client: &Client, is_familiar: bool) -> Result<(), Error> {
        take(
            self.codes.as_ref(),
            &(account, client.network().filter(|_| is_familiar)),
        )
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
        let tried = (0..1_000).filter(|_| attempts.login(ada, &at(1, 99), true).is_ok());
        assert_eq!(tried.count(), 10);
        assert!(attempts.login(ada, &at(1, 10), true).is_ok());
        // All of them together do not get any number of attempts.
        let tried = (0..=255).flat_map(|host| std::iter::repeat_n(host, 10));
        let tried = tried.filter(|host| attempts.login(ada, &at(2, *host), true).is_ok());
        assert_eq!(tried.count(), 100);
    }

    #[test]
    fn an_attack_from_many_networks_does_not_lock_out_one_that_is_known() {
        let (attempts, ada) = (attempts(10, 100), Uuid::from_u128(1));
        let passed = (0..=255).filter(|network| attempts.login(ada, &from(*network), false).is_ok());
        assert_eq!(passed.count(), 10);
        assert!(attempts.login(ada, &from(0), true).is_ok());
        // Nor do its neighbours, whatever they try.
        let neighbours =
            (100..1_100).filter(|account| attempts.login(Uuid::from_u128(*account), &from(9), false).is_ok());
        assert!(neighbours.count() < 1_000);
        assert!(attempts.login(ada, &from(9), true).is_ok());
        assert!(
            attempts.login(Uuid::from_u128(2), &from(0), false).is_ok(),
            "another account"
        );
    }

    #[test]
    fn one_network_tries_only_so_many_accounts() {
        let attempts = attempts(10, 100);
        let tried = (0..1_000).filter(|account| attempts.login(Uuid::from_u128(*account), &from(1), false).is_ok());
        assert_eq!(tried.count(), 100);
        let refused = attempts.login(Uuid::from_u128(1), &from(1), false);
        assert!(
            matches!(refused, Err(Error::TooManyAttempts { retry_after_s: 1..=37 })),
            "{refused:?}"
        );
    }

    #[test]
    fn codes_of_one_account_are_tried_only_so_often() {
        let attempts = attempts(1_000, 0);
        let (ada, eve) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let tried = (0..100).filter(|network| attempts.code(ada, &from(*network), false).is_ok());
        assert_eq!(tried.count(), 10);
        assert!(attempts.code(ada, &from(1), true).is_ok(), "a network that is known");
        assert!(attempts.code(eve, &from(1), false).is_ok());
    }
}
