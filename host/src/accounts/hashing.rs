//! Passwords, hashed with argon2id (RFC 9106). Hashing takes tens of milliseconds and megabytes on purpose, so it runs on
//! threads of its own, only so many at a time, and only so many wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version};
use data_encoding::BASE64_NOPAD;
use parking_lot::Mutex;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization as _;

use super::error::Error;
use super::password::MAX_CHARACTERS;
use crate::config::Hashing;

/// What argon2 hashes have, here and by default.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// How much the others go before hashing: a tenth of the weight of an ordinary thread.
const NICE: i32 = 10;
/// How many wait for each one that is being hashed, before more are refused.
const WAITING_PER_PLACE: u32 = 64;

/// The longest text that is taken for a password: the most characters of one, each of the most bytes.
const MAX_BYTES: usize = MAX_CHARACTERS * 4;

/// Hashes and verifies passwords.
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    /// What an unknown address is compared with, so that it takes as long as a known one.
    nobody: String,
    jobs: Sender<Job>,
    waiting: AtomicU32,
    most_waiting: u32,
    /// How many passwords were hashed or verified so far.
    #[cfg(test)]
    pub(super) ran: AtomicU32,
}

/// What one of the threads does.
type Job = Box<dyn FnOnce() + Send>;

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verified {
    /// The password is another.
    No,
    /// It is the one, hashed as it is now.
    Yes,
    /// It is the one, and here is its hash with the parameters of today.
    Outdated(String),
}

impl Hasher {
    /// Fails where the parameters are none for argon2.
    pub(super) fn new(hashing: &Hashing) -> Result<Self, String> {
        let params = Params::new(hashing.memory_kib, hashing.iterations, hashing.lanes, None)
            .map_err(|error| format!("[accounts.hashing]: {error}"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = nobodys(hashing)?;
        Ok(Self {
            argon2,
            nobody,
            jobs: threads(hashing.concurrent)?,
            waiting: AtomicU32::new(0),
            most_waiting: hashing.concurrent.saturating_mul(WAITING_PER_PLACE),
            #[cfg(test)]
            ran: AtomicU32::new(0),
        })
    }

    /// The hash of a new password, a PHC string.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        self.run(move || hash(&argon2, &normalised(&password))).await?
    }

    /// Compares a password with a hash; without one, which takes as long, the answer is no.
    pub(super) async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verified, Error> {
        // No password is that long; what is not one takes as long to refuse as what is wrong.
        let is_one = password.len() <= MAX_BYTES;
        let password = if is_one { password } else { "" }.to_owned();
        let is_known = is_one && stored.is_some();
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let argon2 = self.argon2.clone();
        self.run(move || {
            let password = normalised(&password);
            let parsed = PasswordHash::new(&stored).map_err(|error| Error::Internal(error.to_string()))?;
            let is_right = argon2.verify_password(password.as_bytes(), &parsed).is_ok();
            if !(is_right && is_known) {
                return Ok(Verified::No);
            }
            match Params::try_from(&parsed) {
                Ok(params) if same(&params, argon2.params()) => Ok(Verified::Yes),
                _ => hash(&argon2, &password).map(Verified::Outdated),
            }
        })
        .await?
    }

    /// Runs on one of the threads, in its turn.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let _waiting = Waiting::join(self)?;
        #[cfg(test)]
        self.ran.fetch_add(1, Ordering::Relaxed);
        let gone = || Error::Internal("the threads that hash passwords are gone".to_owned());
        let (done, is_done) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more where the client has gone away.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        self.jobs.send(job).map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())
    }
}

/// Threads that hash, one password each at a time. The system prefers all others to them: whoever logs in can wait a
/// little, and nobody else waits for that.
fn threads(count: u32) -> Result<Sender<Job>, String> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let queue = Arc::new(Mutex::new(queue));
    for _ in 0..count {
        let queue = Arc::clone(&queue);
        let serve = move || {
            // Where it is refused, hashing is as urgent as the rest.
            let _ = setpriority_process(Some(gettid()), NICE);
            loop {
                // The lock is held while waiting, never while hashing.
                let job = queue.lock().recv();
                match job {
                    // What panics is a defect; the thread goes on, and the one who waits is told.
                    Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
                    Err(_) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("hashing".to_owned()).spawn(serve);
        thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    }
    Ok(jobs)
}

/// One that waits or is being hashed.
struct Waiting<'h>(&'h AtomicU32);

impl<'h> Waiting<'h> {
    fn join(hasher: &'h Hasher) -> Result<Self, Error> {
        let waiting = Self(&hasher.waiting);
        if hasher.waiting.fetch_add(1, Ordering::Relaxed) < hasher.most_waiting {
            Ok(waiting)
        } else {
            Err(Error::Overloaded)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The same password typed on another keyboard has the same bytes (NIST SP 800-63B-4, 3.1.1.2).
pub(super) fn normalised(password: &str) -> String {
    password.nfkc().collect()
}

/// A hash that no password has. Nothing is hashed for it: a start should not wait for that, nor keep the memory.
fn nobodys(hashing: &Hashing) -> Result<String, String> {
    let mut random = [0; SALT_BYTES + HASH_BYTES];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let (salt, hash) = random.split_at(SALT_BYTES);
    let [salt, hash] = [salt, hash].map(|bytes| BASE64_NOPAD.encode(bytes));
    let Hashing {
        memory_kib,
        iterations,
        lanes,
        ..
    } = hashing;
    Ok(format!(
        "$argon2id$v=19$m={memory_kib},t={iterations},p={lanes}${salt}${hash}"
    ))
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, Error> {
    argon2
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Error::Internal(format!("argon2: {error}")))
}

fn same(left: &Params, right: &Params) -> bool {
    (left.m_cost(), left.t_cost(), left.p_cost()) == (right.m_cost(), right.t_cost(), right.p_cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As little as argon2 takes: what is tested is not how long it takes.
    fn hashing(memory_kib: u32) -> Hashing {
        Hashing {
            memory_kib,
            iterations: 1,
            lanes: 1,
            concurrent: 1,
        }
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let hasher = Hasher::new(&hashing(64)).unwrap();
        let stored = hasher.hash("correct horse battery").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let verified = async |password: &str, stored| hasher.verify(password, stored).await.unwrap();
        assert_eq!(verified("correct horse battery", Some(&stored)).await, Verified::Yes);
        assert_eq!(verified("correct horse batter", Some(&stored)).await, Verified::No);
        assert_eq!(verified("correct horse battery", None).await, Verified::No);
        assert_ne!(hasher.hash("correct horse battery").await.unwrap(), stored, "no salt");
    }

    #[tokio::test]
    async fn the_hash_of_nobody_has_the_form_of_others() {
        let hasher = Hasher::new(&hashing(64)).unwrap();
        let other = hasher.hash("").await.unwrap();
        let shape = |hash: &str| hash.split('$').map(str::len).collect::<Vec<_>>();
        assert_eq!(shape(&hasher.nobody), shape(&other));
        assert_eq!(hasher.nobody.split('$').nth(3), other.split('$').nth(3));
        assert!(PasswordHash::new(&hasher.nobody).is_ok());
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_is_renewed() {
        let stored = Hasher::new(&hashing(64))
            .unwrap()
            .hash("a long password")
            .await
            .unwrap();
        let hasher = Hasher::new(&hashing(128)).unwrap();
        let Verified::Outdated(renewed) = hasher.verify("a long password", Some(&stored)).await.unwrap() else {
            panic!("the hash is not renewed");
        };
        assert!(renewed.contains("m=128"), "{renewed}");
        assert_eq!(
            hasher.verify("a long password", Some(&renewed)).await,
            Ok(Verified::Yes)
        );
        assert_eq!(hasher.verify("another password", Some(&stored)).await, Ok(Verified::No));
    }

    #[tokio::test]
    async fn the_end_of_a_long_password_counts_and_so_does_each_character_only_once() {
        let hasher = Hasher::new(&hashing(64)).unwrap();
        let long = "a".repeat(255);
        let stored = hasher.hash(&format!("{long}b")).await.unwrap();
        assert_eq!(
            hasher.verify(&format!("{long}c"), Some(&stored)).await,
            Ok(Verified::No)
        );
        // One has the accent in the letter, the other behind it.
        let stored = hasher.hash("caf\u{e9} au lait").await.unwrap();
        assert_eq!(
            hasher.verify("cafe\u{301} au lait", Some(&stored)).await,
            Ok(Verified::Yes)
        );
    }

    #[tokio::test]
    async fn what_is_too_long_for_a_password_is_refused_without_being_looked_at() {
        let hasher = Hasher::new(&hashing(64)).unwrap();
        let stored = hasher.hash("").await.unwrap();
        let long = "\u{fdfa}".repeat(349_000);
        assert_eq!(hasher.verify(&long, Some(&stored)).await, Ok(Verified::No));
    }

    #[tokio::test]
    async fn too_many_at_a_time_are_refused_and_there_is_room_again_afterwards() {
        let hasher = Arc::new(Hasher::new(&hashing(64)).unwrap());
        // The only thread is kept busy.
        let (turn, until) = mpsc::channel::<()>();
        hasher
            .jobs
            .send(Box::new(move || {
                // Ends once the other half is dropped.
                let _ = until.recv();
            }))
            .unwrap();
        let waiting: Vec<_> = (0..WAITING_PER_PLACE)
            .map(|_| {
                let hasher = Arc::clone(&hasher);
                tokio::spawn(async move { hasher.verify("a", None).await })
            })
            .collect();
        while hasher.waiting.load(Ordering::Relaxed) < hasher.most_waiting {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.verify("a", None).await, Err(Error::Overloaded));
        drop(turn);
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(Verified::No));
        }
        assert_eq!(hasher.verify("a", None).await, Ok(Verified::No));
    }
}
