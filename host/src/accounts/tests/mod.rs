//! Accounts over a real store: what makes somebody known, and what ends that.

mod activity;
mod administrators;
mod at_once;
mod callers;
mod equal_work;
mod erase;
mod erase_bounds;
mod erase_places;
mod erase_strangers;
mod federation;
mod held_back;
mod links;
mod mailed_codes;
mod passkeys;
mod rehashing;
mod required;
mod second_factor;
mod sessions;
mod tokens;

use super::*;
use crate::storage::clock::ManualClock;
use crate::storage::outbox::Outbox;
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
        blocklist: Blocklist::default(),
    }
}

/// Has an account have these roles and no others.
fn roles(named: &[&str]) -> Change {
    Change {
        roles: Some(named.iter().map(|role| (*role).to_owned()).collect()),
        ..Change::default()
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
        Self::over(Arc::new(memory::open().unwrap()), change)
    }

    fn over(engine: Arc<dyn Engine>, change: impl FnOnce(&mut config::Accounts)) -> Self {
        let mut config = config::Accounts::default();
        change(&mut config);
        // As cheap as it gets: what is tested is not how long hashing takes.
        (config.hashing.memory_kib, config.hashing.iterations) = (128, 1);
        let clock = Arc::new(ManualClock::new(1_800_000_000_000));
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

    async fn login_from(&self, address: &str, client: &Client) -> Login {
        match self.accounts.login(address, PASSWORD, client).await.unwrap() {
            LoggedIn::Session(login) => *login,
            LoggedIn::SecondFactor(_) => panic!("a second factor is asked for"),
        }
    }

    /// Somebody with a password who has just logged in.
    async fn member(&self, address: &str) -> Identity {
        self.account(address).await;
        let login = self.login(address, PASSWORD).await.unwrap();
        self.identity(&login).await.unwrap()
    }

    /// The token of the link in the newest mail of a kind.
    async fn newest_link(&self, about: &str) -> String {
        let outbox = Outbox::of(Arc::clone(&self.accounts.engine));
        let mails = outbox.list(false, 100).await.unwrap();
        let mail = mails.iter().rev().find(|mail| mail.payload["about"] == about).unwrap();
        let path = mail.payload["link"]["path"].as_str().unwrap();
        path.split_once("?token=").unwrap().1.to_owned()
    }

    /// The code in the newest mail that has one.
    async fn newest_code(&self) -> String {
        let outbox = Outbox::of(Arc::clone(&self.accounts.engine));
        let mails = outbox.list(false, 100).await.unwrap();
        let mut codes = mails.iter().filter_map(|mail| mail.payload["code"].as_str());
        codes.next_back().unwrap().to_owned()
    }

    async fn identity(&self, login: &Login) -> Option<Identity> {
        let token = login.token.reveal();
        let caller = self.accounts.caller(token).await.unwrap();
        let identity = self.accounts.identify(token).await.unwrap();
        assert_eq!(
            caller,
            identity.as_ref().map(|identity| identity.account.for_policy()),
            "both ways to ask who it is agree"
        );
        identity
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
