//! Passwords, hashed with argon2id (RFC 9106). Hashing takes tens of milliseconds and megabytes on purpose, so it runs on
//! threads of its own, only so many at a time, and only so many wait.

mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use data_encoding::BASE64_NOPAD;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization as _;

use self::threads::{Memory, Threads};
use super::error::Error;
use super::password::MAX_CHARACTERS;
use crate::config::Hashing;

/// What argon2 hashes have, here and by default.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// How many wait for each one that is being hashed, before more are refused.
const WAITING_PER_PLACE: u32 = 64;
/// How long a password may get nowhere, where all cores are taken, before it gets its share of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest text that is taken for a password: the most characters of one, each of the most bytes.
const MAX_BYTES: usize = MAX_CHARACTERS * 4;

/// Hashes and verifies passwords.
pub(super) struct Hasher {
    argon2: Argon2<'static>,
    /// What an unknown address is compared with, so that it takes as long as a known one.
    nobody: String,
    threads: Threads,
    waiting: AtomicU32,
    most_waiting: u32,
    /// How many passwords were hashed or verified so far.
    #[cfg(test)]
    pub(super) ran: AtomicU32,
}

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
        Self::with_patience(hashing, PATIENCE)
    }

    fn with_patience(hashing: &Hashing, patience: Duration) -> Result<Self, String> {
        let params = Params::new(hashing.memory_kib, hashing.iterations, hashing.lanes, None)
            .map_err(|error| format!("[accounts.hashing]: {error}"))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = nobodys(hashing)?;
        Ok(Self {
            argon2,
            nobody,
            threads: Threads::start(hashing.concurrent, patience)?,
            waiting: AtomicU32::new(0),
            most_waiting: hashing.concurrent.saturating_mul(WAITING_PER_PLACE),
            #[cfg(test)]
            ran: AtomicU32::new(0),
        })
    }

    /// The hash of a new password, a PHC string.
    pub(super) async fn hash(&self, password: &str) -> Result<String, Error> {
        let (argon2, password) = (self.argon2.clone(), password.to_owned());
        self.run(move |memory| hash(&argon2, &normalised(&password), memory))
            .await?
    }

    /// Compares a password with a hash; without one, which takes as long, the answer is no.
    pub(super) async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verified, Error> {
        // No password is that long; what is not one takes as long to refuse as what is wrong.
        let is_one = password.len() <= MAX_BYTES;
        let password = if is_one { password } else { "" }.to_owned();
        let is_known = is_one && stored.is_some();
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let argon2 = self.argon2.clone();
        self.run(move |memory| {
            let password = normalised(&password);
            let stored = Stored::parse(&stored)?;
            let is_right = stored.is_of(&password, memory)?;
            if !(is_right && is_known) {
                return Ok(Verified::No);
            }
            match same(stored.argon2.params(), argon2.params()) {
                true => Ok(Verified::Yes),
                false => hash(&argon2, &password, memory).map(Verified::Outdated),
            }
        })
        .await?
    }

    /// Runs on one of the threads, in its turn; on two of them where the first one gets nowhere.
    async fn run<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: Fn(&mut Memory) -> T + Send + Sync + 'static,
    {
        let _waiting = Waiting::join(self)?;
        #[cfg(test)]
        self.ran.fetch_add(1, Ordering::Relaxed);
        let wanted = Wanted::new();
        let is_wanted = Arc::clone(&wanted.0);
        let (done, is_done) = oneshot::channel();
        let done = Arc::new(Mutex::new(Some(done)));
        self.threads.run(Box::new(move |memory| {
            // Nobody waits any more where the client has gone away, or the result is there already.
            let result = is_wanted.load(Ordering::Relaxed).then(|| work(memory))?;
            let done = Arc::clone(&done);
            Some(Box::new(move || {
                if let Some(done) = done.lock().take() {
                    let _ = done.send(result);
                }
            }))
        }));
        let gone = |_| Error::Internal("the threads that hash passwords are gone".to_owned());
        is_done.await.map_err(gone)
    }
}

/// That somebody waits for a result; until it is dropped.
struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
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

/// A stored hash, with what it was made with.
struct Stored {
    argon2: Argon2<'static>,
    salt: Salt,
    hash: Output,
}

impl Stored {
    fn parse(text: &str) -> Result<Self, Error> {
        let unusable = |what: String| Error::Internal(format!("the hash of a password: {what}"));
        let parsed = PasswordHash::new(text).map_err(|error| unusable(error.to_string()))?;
        let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|error| unusable(error.to_string()))?;
        let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
        let version = version.map_err(|error| unusable(error.to_string()))?;
        let params = Params::try_from(&parsed).map_err(|error| unusable(error.to_string()))?;
        let (Some(salt), Some(hash)) = (parsed.salt, parsed.hash) else {
            return Err(unusable("it has no salt or no hash".to_owned()));
        };
        Ok(Self {
            argon2: Argon2::new(algorithm, version, params),
            salt,
            hash,
        })
    }

    /// Whether it is the hash of a password; that takes as long where it is not.
    fn is_of(&self, password: &str, memory: &mut Memory) -> Result<bool, Error> {
        // The comparison takes the same time wherever the two differ.
        Ok(fill(&self.argon2, password, &self.salt, memory)? == self.hash)
    }
}

fn hash(argon2: &Argon2<'_>, password: &str, memory: &mut Memory) -> Result<String, Error> {
    let salt = Salt::generate();
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(|error| refused(&error))?,
        hash: Some(fill(argon2, password, &salt, memory)?),
        salt: Some(salt),
    };
    Ok(hash.to_string())
}

/// The hash itself.
fn fill(argon2: &Argon2<'_>, password: &str, salt: &[u8], memory: &mut Memory) -> Result<Output, Error> {
    let params = argon2.params();
    let mut bytes = [0; Output::MAX_LENGTH];
    let bytes = &mut bytes[..params.output_len().unwrap_or(HASH_BYTES).min(Output::MAX_LENGTH)];
    let blocks = memory.blocks(params.block_count())?;
    let filled = argon2.hash_password_into_with_memory(password.as_bytes(), salt, bytes, blocks);
    filled.map_err(|error| refused(&error))?;
    Output::new(bytes).map_err(|error| refused(&error))
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("argon2: {error}"))
}

fn same(left: &Params, right: &Params) -> bool {
    (left.m_cost(), left.t_cost(), left.p_cost()) == (right.m_cost(), right.t_cost(), right.p_cost())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

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

    /// Keeps the only thread busy until what is returned is dropped.
    fn busy(hasher: &Hasher) -> mpsc::Sender<()> {
        let (turn, until) = mpsc::channel::<()>();
        let until = Mutex::new(until);
        hasher.threads.run(Box::new(move |_| {
            // Ends once the other half is dropped. The desk does not wait for it, even where it comes first.
            if std::thread::current().name() != Some("hashing-desk") {
                let _ = until.lock().recv();
            }
            Some(Box::new(|| ()))
        }));
        turn
    }

    #[tokio::test]
    async fn where_the_threads_get_nothing_done_passwords_are_hashed_all_the_same() {
        let hasher = Hasher::with_patience(&hashing(64), Duration::from_millis(1)).unwrap();
        let _turn = busy(&hasher);
        let stored = hasher.hash("correct horse battery").await.unwrap();
        let verified = hasher.verify("correct horse battery", Some(&stored)).await;
        assert_eq!(verified, Ok(Verified::Yes));
    }

    #[tokio::test]
    async fn too_many_at_a_time_are_refused_and_there_is_room_again_afterwards() {
        let hasher = Arc::new(Hasher::with_patience(&hashing(64), Duration::MAX).unwrap());
        let turn = busy(&hasher);
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
