//! How often one network may ask for what costs others something: a mail, or room in the store.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::problem::Problem;

/// So many at once, and then one a second: enough for an office behind one address.
const BURST: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN;
/// How many requests go by until networks that have asked for nothing of late are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// Counts by network. It is gone when the host stops.
pub(super) struct Throttle {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    asked: AtomicU32,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(Quota::per_second(PER_SECOND).allow_burst(BURST)),
            asked: AtomicU32::new(0),
        }
    }
}

impl Throttle {
    /// Lets a request pass, or says when to try again.
    pub(super) fn pass(&self, peer: IpAddr) -> Result<(), Problem> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&network(peer)).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            Problem::too_many_requests(wait.as_secs() as u32 + 1)
        })
    }
}

/// Somebody with IPv6 has a whole /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_a_burst_and_others_are_not_held_back_by_it() {
        let throttle = Throttle::default();
        let passed = |peer: &str| throttle.pass(peer.parse().unwrap()).is_ok();
        assert_eq!((0..100).filter(|_| passed("192.0.2.1")).count(), BURST.get() as usize);
        assert!(passed("192.0.2.2"));
        let of_one_network = |number: u32| passed(&format!("2001:db8:0:1::{number:x}"));
        assert_eq!(
            (1..100).filter(|number| of_one_network(*number)).count(),
            BURST.get() as usize
        );
        assert!(passed("2001:db8:0:2::1"));
        let refused = throttle.pass("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (429, "too_many_requests"));
    }
}
