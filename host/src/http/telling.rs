//! Which refusals the log tells of, of those who may not do something: not each, or whoever makes many of them fills it.

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Those who are not known. Anybody makes them in any number; they are not to cover up the others.
pub(super) static UNAUTHENTICATED: LazyLock<Telling> = LazyLock::new(Telling::new);
/// Those who are known.
pub(super) static FORBIDDEN: LazyLock<Telling> = LazyLock::new(Telling::new);

/// How many are told at once.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// How many are told in a second after that.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Refusals of one kind.
pub(super) struct Telling {
    limiter: DefaultDirectRateLimiter,
    left_out: AtomicU32,
}

impl Telling {
    fn new() -> Self {
        Self {
            limiter: RateLimiter::direct(Quota::per_second(PER_SECOND).allow_burst(AT_ONCE)),
            left_out: AtomicU32::new(0),
        }
    }

    /// How many were left out before this one, if it is to be told.
    pub(super) fn next(&self) -> Option<u32> {
        match self.limiter.check() {
            Ok(()) => Some(self.left_out.swap(0, Ordering::Relaxed)),
            Err(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refusals_some_are_told_and_the_others_are_counted() {
        let telling = Telling::new();
        let told: Vec<u32> = (0..100_000).filter_map(|_| telling.next()).collect();
        assert!((100..1_000).contains(&told.len()), "{}", told.len());
        assert!(told[..100].iter().all(|left_out| *left_out == 0), "{told:?}");
        let counted = told.iter().sum::<u32>() + telling.left_out.load(Ordering::Relaxed);
        assert_eq!(told.len() as u32 + counted, 100_000);
    }
}
