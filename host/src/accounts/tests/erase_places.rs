//! Erasing, place by place: what waits somewhere for an account, what comes in while it goes, and what others do meanwhile.

use bytes::Bytes;

use super::second_factor::Guarded;
use super::*;
use crate::capabilities::catalogue::Catalogue;
use crate::storage::engine::Range;
use crate::storage::keyspace::{accounts as keys, outbox as outbox_keys};
use crate::storage::outbox::{Failed, Outbox};
use crate::storage::transaction::Transaction;

const ADDRESS: &str = "ada@example.org";
const OTHER: &str = "eve@example.org";

impl Fixture {
    pub(super) async fn catalogue(&self) -> Catalogue {
        Catalogue::load(Arc::clone(&self.accounts.engine), 0).await.unwrap()
    }

    fn outbox(&self) -> Outbox {
        Outbox::of(Arc::clone(&self.accounts.engine))
    }

    pub(super) async fn put(&self, rows: impl IntoIterator<Item = (crate::storage::engine::Key, String)>) {
        let mut transaction = Transaction::begin(Arc::clone(&self.accounts.engine), self.clock.now_ms());
        for (key, value) in rows {
            transaction.put(key, Bytes::from(value), None);
        }
        transaction.commit().await.unwrap();
    }

    async fn count(&self, range: &Range) -> usize {
        self.accounts.begin().scan(range, None, 1_000).await.unwrap().len()
    }

    /// Whom the mails are for that wait, or are dead letters, and what they are about.
    async fn mails(&self, dead: bool) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mails = self.outbox().list(dead, 1_000).await.unwrap();
        let mails = mails.iter();
        mails
            .map(|mail| (text(&mail.payload["to"]), text(&mail.payload["about"])))
            .collect()
    }

    async fn mails_to(&self, address: &str) -> usize {
        let both = [self.mails(false).await, self.mails(true).await].concat();
        both.iter().filter(|(to, _)| to == address).count()
    }

    /// Has the first mail of each address be a dead letter.
    async fn fail_mails(&self) {
        let (outbox, now_ms) = (self.outbox(), self.clock.now_ms());
        let failed = Err(Failed {
            reason: "nobody is there".to_owned(),
            is_final: true,
        });
        for (due_ms, lane) in outbox.due(now_ms, 100).await.unwrap() {
            let Some(mail) = outbox.head(&lane, now_ms).await.unwrap() else {
                continue;
            };
            let settled = outbox.settle((due_ms, &lane), &mail, &failed, now_ms);
            settled.await.unwrap();
        }
    }

    pub(super) async fn begin_erasure(&self, account: Uuid) {
        let (accounts, by) = (&self.accounts, By::console());
        let record = accounts.record(&mut accounts.begin(), account).await.unwrap();
        accounts.begin_erasure(accounts.begin(), &record, &by).await.unwrap();
    }
}

pub(super) fn answer(holder: Uuid, number: u32) -> crate::storage::engine::Key {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    keyspace::answer(holder, &hash)
}

fn entry(plugin: &str, account: Uuid, number: u32) -> (crate::storage::engine::Key, String) {
    let bucket = format!("caller:{account}");
    (
        keyspace::keyvalue(plugin, &bucket, &number.to_string()),
        "kept".to_owned(),
    )
}

/// An answer that shows a document of an account.
pub(super) fn shows(owner: Uuid) -> String {
    serde_json::json!({ "replies": [{ "Document": { "owner": owner, "body": "{}" } }] }).to_string()
}

/// What may wait somewhere for one who has just logged in.
async fn leave_something_everywhere(fixture: &Fixture, identity: &Identity) {
    let (accounts, client) = (&fixture.accounts, Client::default());
    let id = identity.account.id;
    let token = NewToken {
        name: "backup".to_owned(),
        scopes: ["write".to_owned()].into_iter().collect(),
        days: 30,
    };
    accounts.make_token(identity, &token, &client).await.unwrap();
    let assertion = Assertion {
        provider: "example".to_owned(),
        issuer: "https://accounts.example.org".to_owned(),
        subject: id.to_string(),
        verified_address: None,
        name: None,
    };
    let acting = identity.acting();
    accounts.link_identity(&acting, &assertion, &client).await.unwrap();
    let linking = Purpose::link(accounts, identity).await.unwrap();
    let flow = Flow::new("example", linking, "secret of the browser");
    accounts.keep_flow(&id.to_string(), &flow).await.unwrap();
    fixture.put((0..450).map(|number| entry("shop", id, number))).await;
    fixture.put([entry("another", id, 0)]).await;
    fixture.put((0..3).map(|number| (answer(id, number), shows(id)))).await;
}

#[tokio::test]
async fn an_erasure_finds_what_is_the_accounts_in_every_place_and_leaves_what_is_of_others() {
    let Guarded {
        fixture, identity: ada, ..
    } = Guarded::new().await;
    let accounts = &fixture.accounts;
    let eve = fixture.member(OTHER).await;
    for identity in [&ada, &eve] {
        leave_something_everywhere(&fixture, identity).await;
    }
    // A login that waits for its second factor, an answer to somebody else, mails that nobody took, and some that wait.
    let asked = accounts.login(ADDRESS, PASSWORD, &Client::default()).await.unwrap();
    assert!(matches!(asked, LoggedIn::SecondFactor(_)));
    fixture.put([(answer(eve.account.id, 7), shows(ada.account.id))]).await;
    fixture.fail_mails().await;
    let places = [
        keys::challenges(),
        keys::flows(),
        outbox_keys::all_dead(),
        keyspace::all_answers(),
        keyspace::buckets(),
        keys::tokens_of(ada.account.id),
        keys::identities_of(ada.account.id),
    ];
    let counted = async || {
        let mut counted = Vec::new();
        for place in &places {
            counted.push(fixture.count(place).await);
        }
        counted
    };
    assert_eq!(counted().await, [1, 2, 2, 7, 902, 1, 1]);
    let waiting = fixture.mails(false).await;
    assert!(waiting.iter().any(|(to, _)| to == ADDRESS), "{waiting:?}");
    let of_eve = accounts.traces(eve.account.id, None).await.unwrap().left;

    let catalogue = fixture.catalogue().await;
    let signed = accounts
        .erase(&catalogue, ada.account.id, &By::console())
        .await
        .unwrap();
    assert_eq!(counted().await, [0, 1, 1, 3, 451, 0, 0]);
    assert_eq!(fixture.mails_to(ADDRESS).await, 0);
    let removed = signed.receipt.removed;
    assert_eq!(
        (
            removed.bucket_entries,
            removed.kept_answers,
            removed.tokens,
            removed.identities
        ),
        (451, 4, 1, 1)
    );
    let left = accounts.traces(ada.account.id, Some(&ada.account.address)).await;
    assert_eq!(left.unwrap().left, 0);
    // The answer that showed a document of the other is gone with that.
    assert_eq!(accounts.traces(eve.account.id, None).await.unwrap().left, of_eve - 1);
    assert!(fixture.mails_to(OTHER).await > 1);
}

#[tokio::test]
async fn mail_that_comes_in_while_the_account_goes_is_found_by_the_second_look_and_mail_of_later_stays() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let ada = fixture.account(ADDRESS).await;
    let catalogue = fixture.catalogue().await;
    fixture.begin_erasure(ada.id).await;
    loop {
        // Somebody who does not know that the address has an account, behind each step.
        fixture.clock.advance(31 * MINUTE_MS);
        accounts.register(ADDRESS, PASSWORD, None).await.unwrap();
        if accounts.step(&catalogue, ada.id).await.unwrap().is_some() {
            break;
        }
    }
    let left = fixture.mails(false).await;
    assert!(left.iter().any(|(to, _)| to == ADDRESS), "nothing is tested: {left:?}");
    // From here on the address is free.
    fixture.clock.advance(1);
    accounts.register(ADDRESS, PASSWORD, None).await.unwrap();
    fixture.clock.advance(5 * MINUTE_MS);
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(0));
    assert_eq!(fixture.mails(false).await, [(ADDRESS.to_owned(), "confirm".to_owned())]);
    // The links go like the mails that they are in.
    let links = accounts.begin().scan(&keys::links(), None, 100).await.unwrap();
    let of_ada = links
        .iter()
        .filter(|(_, row)| String::from_utf8_lossy(row).contains(ADDRESS));
    assert_eq!(of_ada.count(), 1);
    let mails = fixture.outbox().list(false, 10).await.unwrap();
    let path = mails[0].payload["link"]["path"].as_str().unwrap_or_default();
    let token = path.split_once("?token=").map(|(_, token)| token).unwrap_or_default();
    let confirmed = accounts
        .confirm(token, Confirmation::Registered(PASSWORD), &Client::default())
        .await
        .unwrap();
    assert_ne!(confirmed.id, ada.id);
}

#[tokio::test]
async fn a_mail_that_changes_its_place_while_it_is_looked_for_is_found() {
    for (is_dead, after) in [true, false]
        .into_iter()
        .flat_map(|dead| (0..16).map(move |after| (dead, after)))
    {
        let fixture = Fixture::new();
        let accounts = &fixture.accounts;
        let ada = fixture.account(ADDRESS).await;
        accounts.forgot(ADDRESS).await.unwrap();
        if is_dead {
            fixture.fail_mails().await;
        }
        let catalogue = fixture.catalogue().await;
        fixture.begin_erasure(ada.id).await;
        let mut steps = 0;
        loop {
            if steps == after {
                // From one place to the other, somewhere in the middle.
                for letter in fixture.outbox().list(true, 10).await.unwrap() {
                    let (by, nothing) = (By::console(), serde_json::Value::Null);
                    let act = accounts.act(&by, "outbox.retry", None, nothing).await.unwrap();
                    fixture.outbox().retry(letter.id, &act).await.unwrap();
                }
                if !is_dead {
                    fixture.fail_mails().await;
                }
            }
            if accounts.step(&catalogue, ada.id).await.unwrap().is_some() {
                break;
            }
            steps += 1;
        }
        assert_eq!(fixture.mails_to(ADDRESS).await, 0, "{is_dead} {after}");
    }
}

#[tokio::test]
async fn nothing_more_is_done_to_an_account_that_is_being_erased() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let ada = fixture.account(ADDRESS).await;
    fixture.begin_erasure(ada.id).await;
    let by = By::console();
    for done in [
        accounts.reset_factors(ada.id, &by).await,
        accounts.end_sessions_of(ada.id, &by).await,
        accounts.change(ada.id, &Change::default(), &by).await.map(drop),
    ] {
        assert_eq!(done, Err(Error::Conflict("the account is being erased")));
    }
    assert_eq!(fixture.mails(false).await, []);
}

#[tokio::test]
async fn an_erasure_takes_few_commits_however_much_is_kept_for_others() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let (ada, eve) = (fixture.account(ADDRESS).await, fixture.account(OTHER).await);
    fixture
        .put((0..5_000).map(|number| (answer(eve.id, number), shows(eve.id))))
        .await;
    let catalogue = fixture.catalogue().await;
    let before = accounts.engine.health().applied;
    accounts.erase(&catalogue, ada.id, &By::console()).await.unwrap();
    let commits = accounts.engine.health().applied - before;
    assert!(commits < 30, "{commits}");
}

#[tokio::test]
async fn accounts_that_wait_for_the_second_look_keep_back_no_other() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let account = async |number: u32| {
        let new = NewAccount {
            address: format!("ada{number}@example.org").parse().unwrap(),
            name: None,
            password: None,
            roles: Default::default(),
        };
        accounts.create(new, &By::console()).await.unwrap().id
    };
    let catalogue = fixture.catalogue().await;
    for number in 0..101 {
        let id = account(number).await;
        accounts.erase(&catalogue, id, &By::console()).await.unwrap();
    }
    let last = account(101).await;
    fixture.begin_erasure(last).await;
    // The host died here, and begins again.
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(101));
    assert!(accounts.receipt(last).await.unwrap().is_some());
    fixture.clock.advance(5 * MINUTE_MS);
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(0));
    assert_eq!(fixture.count(&keys::erasures()).await, 0);
}
