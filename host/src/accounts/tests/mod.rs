//! Accounts over a real store: what makes somebody known, and what ends that.

mod erase;
mod federation;
mod passkeys;
mod second_factor;
mod tokens;

use super::*;
use crate::storage::clock::ManualClock;
use crate::storage::{keyspace, memory};

const PASSWORD: &str = "plover quartz ninety lamp";
const ANOTHER: &str = "seventeen copper umbrellas";
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

const SEED_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn secrets(seed_keys: &str) -> Secrets {
    Secrets {
        seeds: SeedKeys::parse(seed_keys).unwrap(),
        receipts: ReceiptKey::read(&ReceiptKey::generate().unwrap()).unwrap(),
        name: "shop.example.org".to_owned(),
        public_url: Some("https://shop.example.org".to_owned()),
    }
}

struct Fixture {
    accounts: Accounts,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut config::Accounts)) -> Self {
        let mut config = config::Accounts::default();
        change(&mut config);
        // As cheap as it gets: what is tested is not how long hashing takes.
        (config.hashing.memory_kib, config.hashing.iterations) = (128, 1);
        let clock = Arc::new(ManualClock::new(1_800_000_000_000));
        let engine = Arc::new(memory::open().unwrap());
        Self {
            accounts: Accounts::new(engine, Arc::clone(&clock) as _, config, secrets(SEED_KEY)).unwrap(),
            clock,
        }
    }

    async fn account(&self, address: &str) -> Account {
        let new = NewAccount {
            address: address.parse().unwrap(),
            name: None,
            password: Some(PASSWORD.to_owned()),
            roles: Default::default(),
        };
        self.accounts.create(new, &By::console()).await.unwrap()
    }

    async fn login(&self, address: &str, password: &str) -> Result<Login, Error> {
        match self.accounts.login(address, password, &Client::default()).await? {
            LoggedIn::Session(login) => Ok(*login),
            LoggedIn::SecondFactor(_) => panic!("a second factor is asked for"),
        }
    }

    /// Somebody with a password who has just logged in.
    async fn member(&self, address: &str) -> Identity {
        self.account(address).await;
        let login = self.login(address, PASSWORD).await.unwrap();
        self.identity(&login).await.unwrap()
    }

    async fn identity(&self, login: &Login) -> Option<Identity> {
        self.accounts.identify(login.token.reveal()).await.unwrap()
    }
}

#[tokio::test]
async fn one_who_knows_the_password_is_known_by_the_token_of_a_session() {
    let fixture = Fixture::new();
    let account = fixture.account("ada@example.org").await;
    let login = fixture.login("Ada@Example.org", PASSWORD).await.unwrap();
    assert_eq!(login.account, account);
    let identity = fixture.identity(&login).await.unwrap();
    assert_eq!((identity.account, identity.session), (account, login.session));
}

#[tokio::test]
async fn nobody_is_told_what_is_wrong_with_a_login() {
    let fixture = Fixture::new();
    let account = fixture.account("ada@example.org").await;
    let without = NewAccount {
        address: "eve@example.org".parse().unwrap(),
        name: None,
        password: None,
        roles: Default::default(),
    };
    fixture.accounts.create(without, &By::console()).await.unwrap();
    for (address, password) in [
        ("ada@example.org", ANOTHER),
        ("ada@example.org", ""),
        ("bob@example.org", PASSWORD),
        ("eve@example.org", PASSWORD),
        ("no address", PASSWORD),
    ] {
        assert_eq!(
            fixture.login(address, password).await.err(),
            Some(Error::BadCredentials),
            "{address}"
        );
    }
    let locked = Change {
        is_locked: Some(true),
        ..Change::default()
    };
    fixture
        .accounts
        .change(account.id, &locked, &By::console())
        .await
        .unwrap();
    assert_eq!(
        fixture.login("ada@example.org", PASSWORD).await.err(),
        Some(Error::BadCredentials)
    );
}

#[tokio::test]
async fn two_accounts_never_have_the_same_address() {
    let fixture = Fixture::new();
    let new = |address: &str| NewAccount {
        address: address.parse().unwrap(),
        name: None,
        password: None,
        roles: Default::default(),
    };
    let by = By::console();
    let both = tokio::join!(
        fixture.accounts.create(new("ada@example.org"), &by),
        fixture.accounts.create(new("ADA@example.org"), &by)
    );
    let refused = [both.0.err(), both.1.err()];
    assert_eq!(
        refused
            .iter()
            .filter(|refused| **refused == Some(Error::AddressTaken))
            .count(),
        1,
        "{refused:?}"
    );
    assert_eq!(fixture.accounts.list(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used_and_when_its_time_is_over() {
    let fixture = Fixture::new();
    fixture.account("ada@example.org").await;
    let idle = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    fixture.clock.advance(DAY_MS - 1);
    assert!(fixture.identity(&idle).await.is_some());
    // It was used, and so it has another day.
    fixture.clock.advance(DAY_MS - 1);
    assert!(fixture.identity(&idle).await.is_some());
    fixture.clock.advance(DAY_MS);
    assert!(fixture.identity(&idle).await.is_none());

    let used = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    for _ in 0..59 {
        fixture.clock.advance(DAY_MS / 2);
        assert!(fixture.identity(&used).await.is_some());
    }
    fixture.clock.advance(DAY_MS / 2);
    assert!(fixture.identity(&used).await.is_none(), "30 days are over");
}

#[tokio::test]
async fn when_a_session_was_last_seen_is_written_at_most_once_a_minute() {
    let fixture = Fixture::new();
    fixture.account("ada@example.org").await;
    let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    let before = fixture.accounts.engine.health().applied;
    fixture.clock.advance(MINUTE_MS - 1);
    for _ in 0..10 {
        fixture.identity(&login).await.unwrap();
    }
    assert_eq!(fixture.accounts.engine.health().applied, before);
    fixture.clock.advance(1);
    for _ in 0..10 {
        fixture.identity(&login).await.unwrap();
    }
    assert_eq!(fixture.accounts.engine.health().applied, before + 1);
    let sessions = fixture.accounts.sessions(login.account.id).await.unwrap();
    assert_eq!(sessions[0].seen_ms, fixture.clock.now_ms());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_is_used_by_many_requests_at_a_time_is_known_to_all_of_them() {
    let fixture = Arc::new(Fixture::new());
    fixture.account("ada@example.org").await;
    let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    let token = login.token.reveal().to_owned();
    for _ in 0..50 {
        // Each of them finds that it is time to write when the session was last seen.
        fixture.clock.advance(MINUTE_MS);
        let requests: Vec<_> = (0..16)
            .map(|_| {
                let (fixture, token) = (Arc::clone(&fixture), token.clone());
                tokio::spawn(async move { fixture.accounts.identify(&token).await })
            })
            .collect();
        for request in requests {
            assert!(matches!(request.await.unwrap(), Ok(Some(_))));
        }
    }
}

#[tokio::test]
async fn an_ended_session_is_no_longer_known_and_others_are() {
    let fixture = Fixture::new();
    let account = fixture.account("ada@example.org").await;
    let (first, second) = (
        fixture.login("ada@example.org", PASSWORD).await.unwrap(),
        fixture.login("ada@example.org", PASSWORD).await.unwrap(),
    );
    fixture
        .accounts
        .end_session(account.id, first.session.id)
        .await
        .unwrap();
    assert!(fixture.identity(&first).await.is_none());
    assert!(fixture.identity(&second).await.is_some());
    let again = fixture.accounts.end_session(account.id, first.session.id).await;
    assert_eq!(again, Err(Error::NotFound));
    // Nobody ends the sessions of another account.
    let other = fixture.account("eve@example.org").await;
    let foreign = fixture.accounts.end_session(other.id, second.session.id).await;
    assert_eq!(foreign, Err(Error::NotFound));
    assert!(fixture.identity(&second).await.is_some());
}

#[tokio::test]
async fn roles_and_locks_hold_for_the_next_request_of_a_session() {
    let fixture = Fixture::new();
    let account = fixture.account("ada@example.org").await;
    let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    let editor = Change {
        roles: Some(["editor".to_owned()].into()),
        ..Change::default()
    };
    fixture
        .accounts
        .change(account.id, &editor, &By::console())
        .await
        .unwrap();
    let identity = fixture.identity(&login).await.unwrap();
    assert_eq!(*identity.account.for_policy().roles, ["editor".to_owned()]);
    let locked = |is_locked| Change {
        is_locked: Some(is_locked),
        ..Change::default()
    };
    fixture
        .accounts
        .change(account.id, &locked(true), &By::console())
        .await
        .unwrap();
    assert!(fixture.identity(&login).await.is_none());
    fixture
        .accounts
        .change(account.id, &locked(false), &By::console())
        .await
        .unwrap();
    assert!(
        fixture.identity(&login).await.is_none(),
        "the session came back to life"
    );
    assert!(fixture.login("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_new_password_needs_a_recent_proof_and_ends_the_other_sessions() {
    let fixture = Fixture::new();
    fixture.account("ada@example.org").await;
    let (other, login) = (
        fixture.login("ada@example.org", PASSWORD).await.unwrap(),
        fixture.login("ada@example.org", PASSWORD).await.unwrap(),
    );
    let client = Client::default();
    fixture.clock.advance(5 * MINUTE_MS);
    let identity = fixture.identity(&login).await.unwrap();
    let changed = fixture.accounts.change_password(&identity, ANOTHER, &client).await;
    assert_eq!(changed.err(), Some(Error::NotRecent));
    let prove = async |password| {
        let identity = fixture.identity(&login).await.unwrap();
        let proof = Proof::Password(password);
        fixture.accounts.reauthenticate(&identity, proof, &client).await
    };
    assert_eq!(prove(ANOTHER).await.err(), Some(Error::BadCredentials));
    let proved = prove(PASSWORD).await.unwrap();
    // Who has seen the token from before has nothing any more.
    assert!(fixture.identity(&login).await.is_none());
    let identity = fixture.identity(&proved).await.unwrap();
    assert_eq!(identity.session.id, login.session.id);
    let weak = fixture
        .accounts
        .change_password(&identity, "ada@example.org", &client)
        .await;
    assert!(matches!(weak, Err(Error::Invalid(_))), "{weak:?}");
    let changed = fixture
        .accounts
        .change_password(&identity, ANOTHER, &client)
        .await
        .unwrap();
    assert!(fixture.identity(&other).await.is_none());
    assert!(fixture.identity(&proved).await.is_none());
    assert!(fixture.identity(&changed).await.is_some());
    assert_eq!(
        fixture.login("ada@example.org", PASSWORD).await.err(),
        Some(Error::BadCredentials)
    );
    assert!(fixture.login("ada@example.org", ANOTHER).await.is_ok());
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() {
    let fixture = Fixture::with(|config| config.attempts.per_account = 0);
    let account = fixture.account("ada@example.org").await;
    let mut logins = Vec::new();
    for _ in 0..=session::MAX_SESSIONS {
        logins.push(fixture.login("ada@example.org", PASSWORD).await.unwrap());
    }
    let sessions = fixture.accounts.sessions(account.id).await.unwrap();
    assert_eq!(sessions.len(), session::MAX_SESSIONS);
    assert!(fixture.identity(&logins[0]).await.is_none());
    assert!(fixture.identity(&logins[1]).await.is_some());
}

#[tokio::test]
async fn a_password_is_judged_as_it_is_hashed() {
    let fixture = Fixture::new();
    for weak in [
        "\u{ff50}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}".repeat(2),
        "\u{1d429}\u{1d41a}\u{1d42c}\u{1d42c}\u{1d430}\u{1d428}\u{1d42b}\u{1d41d}".repeat(2),
    ] {
        let new = NewAccount {
            address: "ada@example.org".parse().unwrap(),
            name: None,
            password: Some(weak.clone()),
            roles: Default::default(),
        };
        let made = fixture.accounts.create(new, &By::console()).await;
        assert!(matches!(made, Err(Error::Invalid(_))), "{weak}: {made:?}");
    }
}

#[tokio::test]
async fn what_is_stored_does_not_hold_the_password_or_a_token() {
    let fixture = Fixture::new();
    fixture.account("ada@example.org").await;
    let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    let mut work = fixture.accounts.begin();
    let rows = work.scan(&keyspace::accounts::all(), None, 100).await.unwrap();
    assert!(rows.len() >= 4, "{}", rows.len());
    for (key, value) in rows {
        for secret in [PASSWORD, login.token.reveal()] {
            let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!holds(&key) && !holds(&value), "{value:?}");
        }
    }
}
