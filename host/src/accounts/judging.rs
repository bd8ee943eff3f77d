//! Judging how hard a password is to guess, which takes some hundredths of a second: on threads that may wait, beside those
//! that hash, so that it holds up no login.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Semaphore;

use super::error::Error;
use super::password;
use crate::config::Passwords;

/// How many wait, before more are refused.
const MAX_WAITING: u32 = 64;

/// Of those who register: they may be anybody, and any number.
pub(super) static OF_ANYBODY: Judging = Judging::of(1);
/// Of those who are known in some way. Whoever registers holds none of them up.
pub(super) static OF_KNOWN: Judging = Judging::of(2);

/// Places for passwords that are judged at a time.
pub(super) struct Judging {
    places: Semaphore,
    waiting: AtomicU32,
}

/// One that waits or is being judged.
struct Waiting(&'static AtomicU32);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Judging {
    const fn of(places: usize) -> Self {
        Self {
            places: Semaphore::const_new(places),
            waiting: AtomicU32::new(0),
        }
    }

    /// Checks a new password, in its normal form, of somebody whom these words describe.
    pub(super) async fn check(
        &'static self,
        password: String,
        about: Vec<String>,
        rules: Passwords,
    ) -> Result<(), Error> {
        self.run(move || password::check(&password, &about, &rules)).await?
    }

    /// Does it in its turn.
    async fn run<T: Send + 'static>(&'static self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            return Err(Error::Overloaded);
        }
        let place = self.places.acquire().await;
        let done = tokio::task::spawn_blocking(move || {
            // They are held here: the work goes on where the client, and with it who waits for the result, has gone away.
            let _held = (place, waiting);
            work()
        });
        done.await.map_err(|error| Error::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    static JUDGING: Judging = Judging::of(1);
    static LEFT: Judging = Judging::of(1);

    #[tokio::test]
    async fn a_judgement_that_nobody_waits_for_any_more_keeps_its_place_until_it_has_ended() {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (turn, until) = mpsc::channel::<()>();
        let judging = tokio::spawn(LEFT.run(move || {
            let _ = begun.send(());
            // Ends once the other half is dropped.
            let _ = until.recv();
        }));
        has_begun.await.unwrap();
        judging.abort();
        assert!(judging.await.unwrap_err().is_cancelled());
        assert_eq!(LEFT.places.available_permits(), 0);
        assert_eq!(LEFT.waiting.load(Ordering::Relaxed), 1);
        drop(turn);
        assert_eq!(LEFT.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn too_many_who_wait_to_be_judged_are_refused_and_there_is_room_again_afterwards() {
        let check = || {
            JUDGING.check(
                "plover quartz ninety".to_owned(),
                Default::default(),
                Passwords::default(),
            )
        };
        let place = JUDGING.places.acquire().await.unwrap();
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| tokio::spawn(check())).collect();
        while JUDGING.waiting.load(Ordering::Relaxed) < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(check().await, Err(Error::Overloaded));
        drop(place);
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(()));
        }
        assert_eq!(check().await, Ok(()));
    }
}
