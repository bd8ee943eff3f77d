//! Second factors over a real store: what a login asks for, and that no code is good twice.

use totp_rs::{Builder, Secret};

use super::*;
use crate::accounts::method::Method;
use crate::capabilities::catalogue::Catalogue;

const ADDRESS: &str = "ada@example.org";

/// The code that an app shows at a time.
pub(super) fn code(secret: &str, at_ms: u64) -> String {
    let totp = Builder::new()
        .with_secret(Secret::try_from_base32(secret).unwrap())
        .with_account_name("app")
        .build()
        .unwrap();
    totp.generate(at_ms / 1000).to_string()
}

/// A code that no app shows near a time: by chance, any fixed one may be right.
fn wrong_code(secret: &str, at_ms: u64) -> String {
    let near = [at_ms - 30_000, at_ms, at_ms + 30_000].map(|ms| code(secret, ms));
    let mut codes = ["000000", "000001", "000002", "000003"].into_iter();
    codes
        .find(|code| !near.iter().any(|right| right == code))
        .unwrap()
        .to_owned()
}

pub(super) struct Guarded {
    pub(super) fixture: Fixture,
    secret: String,
    pub(super) recovery: Vec<String>,
    pub(super) identity: Identity,
}

impl Guarded {
    /// An account with a generator of codes, of which as many may be tried as one likes.
    pub(super) async fn new() -> Self {
        Self::with(0).await
    }

    async fn with(attempts: u32) -> Self {
        let fixture = Fixture::with(|config| config.attempts.per_account = attempts);
        fixture.account(ADDRESS).await;
        let login = fixture.login(ADDRESS, PASSWORD).await.unwrap();
        let identity = fixture.identity(&login).await.unwrap();
        let offer = fixture.accounts.offer_totp(&identity).await.unwrap();
        assert!(
            offer
                .url
                .starts_with("otpauth://totp/shop.example.org:ada%40example.org?"),
            "{}",
            offer.url
        );
        assert!(offer.url.contains(&offer.secret) && offer.picture.contains("<svg"));
        // Nothing is asked for before a first code has shown that it works.
        fixture.login(ADDRESS, PASSWORD).await.unwrap();
        let wrong = wrong_code(&offer.secret, fixture.clock.now_ms());
        let wrong = fixture
            .accounts
            .confirm_totp(&identity, &wrong, &Client::default())
            .await;
        assert_eq!(wrong.err(), Some(Error::BadCode));
        let first = code(&offer.secret, fixture.clock.now_ms());
        let (recovery, renewed) = fixture
            .accounts
            .confirm_totp(&identity, &first, &Client::default())
            .await
            .unwrap();
        // The session may do more than before, which its old token is no good for.
        assert!(fixture.identity(&login).await.is_none());
        let identity = fixture.identity(&renewed).await.unwrap();
        assert_eq!(recovery.len(), 10);
        Self {
            secret: offer.secret,
            recovery,
            identity,
            fixture,
        }
    }

    pub(super) async fn challenge(&self) -> Challenge {
        let passed = self.fixture.accounts.login(ADDRESS, PASSWORD, &Client::default()).await;
        match passed.unwrap() {
            LoggedIn::SecondFactor(challenge) => challenge,
            LoggedIn::Session(_) => panic!("no second factor is asked for"),
        }
    }

    pub(super) async fn answer(&self, challenge: &Challenge, method: Method, text: &str) -> Result<Login, Error> {
        let token = challenge.token.reveal();
        self.fixture
            .accounts
            .answer(token, Proof::Code(method, text), &Client::default())
            .await
    }

    fn now(&self) -> String {
        code(&self.secret, self.fixture.clock.now_ms())
    }

    pub(super) fn wrong(&self) -> String {
        wrong_code(&self.secret, self.fixture.clock.now_ms())
    }
}

#[tokio::test]
async fn a_login_asks_for_a_code_and_takes_none_twice() {
    let guarded = Guarded::new().await;
    let challenge = guarded.challenge().await;
    assert_eq!(challenge.methods, [Method::Totp, Method::Recovery]);
    // The code that has confirmed the generator is used up, although its time is not over.
    assert_eq!(
        guarded.answer(&challenge, Method::Totp, &guarded.now()).await.err(),
        Some(Error::BadCode)
    );
    guarded.fixture.clock.advance(30_000);
    let used = guarded.now();
    let login = guarded.answer(&challenge, Method::Totp, &used).await.unwrap();
    assert!(guarded.fixture.identity(&login).await.is_some());
    let again = guarded.answer(&challenge, Method::Totp, &used).await;
    assert_eq!(again.err(), Some(Error::ChallengeSpent));
    let other = guarded.challenge().await;
    assert_eq!(
        guarded.answer(&other, Method::Totp, &used).await.err(),
        Some(Error::BadCode)
    );
}

#[tokio::test]
async fn codes_from_long_ago_and_from_later_are_none() {
    let guarded = Guarded::new().await;
    let challenge = guarded.challenge().await;
    let now_ms = guarded.fixture.clock.now_ms();
    guarded.fixture.clock.advance(120_000);
    for at_ms in [now_ms + 30_000, now_ms + 60_000, now_ms + 180_000] {
        let text = code(&guarded.secret, at_ms);
        assert_eq!(
            guarded.answer(&challenge, Method::Totp, &text).await.err(),
            Some(Error::BadCode)
        );
    }
    let next = code(&guarded.secret, now_ms + 150_000);
    assert!(
        guarded.answer(&challenge, Method::Totp, &next).await.is_ok(),
        "one step early"
    );
}

#[tokio::test]
async fn a_recovery_code_is_good_once_however_it_is_typed() {
    let guarded = Guarded::new().await;
    let typed = guarded.recovery[3].to_lowercase().replace('-', " ");
    let challenge = guarded.challenge().await;
    assert!(guarded.answer(&challenge, Method::Recovery, &typed).await.is_ok());
    let challenge = guarded.challenge().await;
    let again = guarded.answer(&challenge, Method::Recovery, &guarded.recovery[3]).await;
    assert_eq!(again.err(), Some(Error::BadCode));
    let client = Client::default();
    let renewed = guarded
        .fixture
        .accounts
        .renew_recovery(&guarded.identity, &client)
        .await
        .unwrap();
    let old = guarded.answer(&challenge, Method::Recovery, &guarded.recovery[4]).await;
    assert_eq!(old.err(), Some(Error::BadCode));
    assert!(guarded.answer(&challenge, Method::Recovery, &renewed[0]).await.is_ok());
}

#[tokio::test]
async fn a_challenge_ends_with_five_wrong_codes_and_with_a_new_password() {
    let guarded = Guarded::new().await;
    let challenge = guarded.challenge().await;
    for _ in 0..5 {
        assert_eq!(
            guarded.answer(&challenge, Method::Totp, &guarded.wrong()).await.err(),
            Some(Error::BadCode)
        );
    }
    guarded.fixture.clock.advance(30_000);
    let spent = guarded.answer(&challenge, Method::Totp, &guarded.now()).await;
    assert_eq!(spent.err(), Some(Error::ChallengeSpent));

    let challenge = guarded.challenge().await;
    let identity = &guarded.identity;
    guarded
        .fixture
        .accounts
        .change_password(identity, ANOTHER, &Client::default())
        .await
        .unwrap();
    let spent = guarded.answer(&challenge, Method::Totp, &guarded.now()).await;
    assert_eq!(spent.err(), Some(Error::ChallengeSpent));

    let LoggedIn::SecondFactor(late) = guarded
        .fixture
        .accounts
        .login(ADDRESS, ANOTHER, &Client::default())
        .await
        .unwrap()
    else {
        panic!("no second factor is asked for");
    };
    guarded.fixture.clock.advance(10 * MINUTE_MS);
    let spent = guarded.answer(&late, Method::Totp, &guarded.now()).await;
    assert_eq!(spent.err(), Some(Error::ChallengeSpent));
}

#[tokio::test]
async fn a_password_of_eight_characters_needs_a_second_factor_and_keeps_it() {
    let short = "k3#vQ9!z";
    let plain = Fixture::new();
    plain.account(ADDRESS).await;
    let login = plain.login(ADDRESS, PASSWORD).await.unwrap();
    let identity = plain.identity(&login).await.unwrap();
    let refused = plain
        .accounts
        .change_password(&identity, short, &Client::default())
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");

    let guarded = Guarded::new().await;
    let accounts = &guarded.fixture.accounts;
    let client = Client::default();
    let changed = async |identity: &Identity, password: &str| {
        let login = accounts.change_password(identity, password, &client).await.unwrap();
        guarded.fixture.identity(&login).await.unwrap()
    };
    let identity = changed(&guarded.identity, short).await;
    let removed = accounts.remove_totp(&identity, &client).await;
    assert!(matches!(removed, Err(Error::Conflict(_))), "{removed:?}");
    let identity = changed(&identity, ANOTHER).await;
    accounts.remove_totp(&identity, &client).await.unwrap();
    assert!(
        guarded.fixture.login(ADDRESS, ANOTHER).await.is_ok(),
        "no code is asked for"
    );
}

#[tokio::test]
async fn seeds_move_to_a_new_key_and_the_old_one_is_needed_no_more() {
    let guarded = Guarded::new().await;
    let engine = Arc::clone(&guarded.fixture.accounts.engine);
    let clock = Arc::clone(&guarded.fixture.clock);
    let new = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let open = |keys: &str| {
        let mut config = config::Accounts::default();
        (config.hashing.memory_kib, config.hashing.iterations) = (128, 1);
        Accounts::new(Arc::clone(&engine), Arc::clone(&clock) as _, config, secrets(keys)).unwrap()
    };
    assert!(
        matches!(open(new).reseal().await, Err(Error::Internal(_))),
        "the old key is missing"
    );
    assert_eq!(open(&format!("{new},{SEED_KEY}")).reseal().await, Ok(1));
    assert_eq!(open(&format!("{new},{SEED_KEY}")).reseal().await, Ok(0));
    let moved = Guarded {
        fixture: Fixture {
            accounts: open(new),
            clock,
        },
        ..guarded
    };
    moved.fixture.clock.advance(30_000);
    let challenge = moved.challenge().await;
    assert!(moved.answer(&challenge, Method::Totp, &moved.now()).await.is_ok());
}

#[tokio::test]
async fn codes_by_mail_are_asked_for_only_where_the_operator_wants_them_and_never_beside_a_generator() {
    let fixture = Fixture::with(|config| config.second_factor.email_codes = true);
    fixture.account(ADDRESS).await;
    let passed = fixture
        .accounts
        .login(ADDRESS, PASSWORD, &Client::default())
        .await
        .unwrap();
    let LoggedIn::SecondFactor(challenge) = passed else {
        panic!("no code is asked for");
    };
    assert_eq!(challenge.methods, [Method::Email]);
    let sent = fixture.newest_code().await;
    let answer = async |text: &str| {
        let token = challenge.token.reveal();
        fixture
            .accounts
            .answer(token, Proof::Code(Method::Email, text), &Client::default())
            .await
    };
    assert_eq!(answer("00000000").await.err(), Some(Error::BadCode));
    let login = answer(&sent).await.unwrap();
    assert_eq!(answer(&sent).await.err(), Some(Error::ChallengeSpent));
    let identity = fixture.identity(&login).await.unwrap();
    // It proves no more than a link in a mail, so it makes no short password long enough.
    let short = fixture
        .accounts
        .change_password(&identity, "k3#vQ9!z", &Client::default())
        .await;
    assert!(matches!(short, Err(Error::Invalid(_))), "{short:?}");

    let offer = fixture.accounts.offer_totp(&identity).await.unwrap();
    let first = code(&offer.secret, fixture.clock.now_ms());
    fixture
        .accounts
        .confirm_totp(&identity, &first, &Client::default())
        .await
        .unwrap();
    let passed = fixture
        .accounts
        .login(ADDRESS, PASSWORD, &Client::default())
        .await
        .unwrap();
    let LoggedIn::SecondFactor(challenge) = passed else {
        panic!("no code is asked for");
    };
    assert_eq!(challenge.methods, [Method::Totp, Method::Recovery]);
}

#[tokio::test]
async fn what_is_stored_holds_neither_a_seed_nor_a_code() {
    let guarded = Guarded::new().await;
    let mut work = guarded.fixture.accounts.begin();
    let rows = work.scan(&keyspace::accounts::all(), None, 100).await.unwrap();
    let seed = data_encoding::BASE32_NOPAD.decode(guarded.secret.as_bytes()).unwrap();
    let recovery = guarded.recovery[0].replace('-', "");
    for (_, value) in rows {
        for secret in [
            guarded.secret.as_bytes(),
            &seed,
            recovery.as_bytes(),
            guarded.recovery[0].as_bytes(),
        ] {
            assert!(!value.windows(secret.len()).any(|part| part == secret), "{value:?}");
        }
    }
}

#[tokio::test]
async fn a_password_alone_takes_no_second_factor_away() {
    let guarded = Guarded::new().await;
    let (accounts, client) = (&guarded.fixture.accounts, Client::default());
    let proved = async |identity: &Identity, proof: Proof<'_>| {
        let login = accounts.reauthenticate(identity, proof, &client).await.unwrap();
        guarded.fixture.identity(&login).await.unwrap()
    };
    // The code that has turned it on was a proof for some minutes.
    guarded.fixture.clock.advance(10 * MINUTE_MS);
    let by_password = proved(&guarded.identity, Proof::Password(PASSWORD)).await;
    let refused = Some(Error::NotRecentBySecond);
    assert_eq!(accounts.remove_totp(&by_password, &client).await.err(), refused);
    assert_eq!(accounts.renew_recovery(&by_password, &client).await.err(), refused);
    assert_eq!(accounts.passkey_options(&by_password).await.err(), refused);
    assert_eq!(Purpose::link(accounts, &by_password).await.err(), refused);
    let catalogue = Catalogue::load(Arc::clone(&accounts.engine), 0).await.unwrap();
    let erased = accounts.erase_own(&catalogue, &by_password, &By::console()).await;
    assert_eq!(erased.err(), refused);
    let by_code = proved(&by_password, Proof::Code(Method::Recovery, &guarded.recovery[0])).await;
    accounts.renew_recovery(&by_code, &client).await.unwrap();
    guarded.fixture.clock.advance(10 * MINUTE_MS);
    // A proof is one for some minutes.
    let by_password = proved(&by_code, Proof::Password(PASSWORD)).await;
    assert_eq!(accounts.remove_totp(&by_password, &client).await.err(), refused);
    let now = code(&guarded.secret, guarded.fixture.clock.now_ms());
    let by_code = proved(&by_password, Proof::Code(Method::Totp, &now)).await;
    accounts.remove_totp(&by_code, &client).await.unwrap();
}

#[tokio::test]
async fn whoever_has_a_session_guesses_no_codes_from_many_networks() {
    let guarded = Guarded::with(20).await;
    let wrong = guarded.wrong();
    let mut judged = 0;
    for network in 0..40 {
        let client = Client {
            address: Some([198, 51, network, 1].into()),
            agent: None,
        };
        let proof = Proof::Code(Method::Totp, &wrong);
        match guarded
            .fixture
            .accounts
            .reauthenticate(&guarded.identity, proof, &client)
            .await
        {
            Err(Error::BadCode) => judged += 1,
            Err(Error::TooManyAttempts { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(judged <= 10, "{judged} guesses");
}
