//! How often it may be tried to log in: per network, and per account. Nobody is locked out by what others do: networks from
//! which the owner has logged in before, or has opened a link in a mail, have a budget of their own.

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
/// How many attempts go by until those who have tried nothing of late are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// Budgets in memory; a restart gives all of them back.
pub(super) struct Attempts {
    networks: Option<Budget<IpAddr>>,
    /// Of an account, for all networks that it does not know, together.
    strangers: Option<Budget<Uuid>>,
    /// Of an account, for each network that it knows.
    familiars: Option<Budget<(Uuid, IpAddr)>>,
    codes: Option<Budget<Uuid>>,
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
            codes: Budget::new(config.per_account.min(CODES)),
        }
    }

    /// Lets somebody try to log in. `about` is an account's id, or what stands for an address that has no account.
    pub(super) fn login(&self, about: Uuid, client: &Client, is_familiar: bool) -> Result<(), Error> {
        let network = client.network();
        if let (Some(budget), Some(network)) = (&self.networks, network) {
            budget.take(&network)?;
        }
        match (&self.familiars, network) {
            (Some(budget), Some(network)) if is_familiar => budget.take(&(about, network)),
            _ => self.strangers.as_ref().map_or(Ok(()), |budget| budget.take(&about)),
        }
    }

    /// Lets somebody try a code, who knows the password already.
    pub(super) fn code(&self, account: Uuid) -> Result<(), Error> {
        self.codes.as_ref().map_or(Ok(()), |budget| budget.take(&account))
    }
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
        Client {
            address: Some(IpAddr::from([10, 0, network, 1])),
            agent: None,
        }
    }

    #[test]
    fn an_attack_from_many_networks_does_not_lock_out_one_that_is_known() {
        let (attempts, ada) = (attempts(10, 100), Uuid::from_u128(1));
        let passed = (0..=255).filter(|network| attempts.login(ada, &from(*network), false).is_ok());
        assert_eq!(passed.count(), 10);
        assert!(attempts.login(ada, &from(0), true).is_ok());
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
        assert_eq!(
            (0..100).filter(|_| attempts.code(Uuid::from_u128(1)).is_ok()).count(),
            10
        );
        assert!(attempts.code(Uuid::from_u128(2)).is_ok());
    }
}
