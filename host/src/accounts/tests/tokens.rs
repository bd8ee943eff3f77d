//! Tokens for programs, the first administrator, and what is remembered of an account.

use std::collections::BTreeSet;

use super::second_factor::Guarded;
use super::*;
use crate::manifest::Action;

const ADDRESS: &str = "ada@example.org";

async fn signed_in() -> (Fixture, Identity) {
    let fixture = Fixture::with(|config| config.attempts.per_account = 0);
    fixture.account(ADDRESS).await;
    let login = fixture.login(ADDRESS, PASSWORD).await.unwrap();
    let identity = fixture.identity(&login).await.unwrap();
    (fixture, identity)
}

fn new(scopes: &[&str]) -> NewToken {
    NewToken {
        name: "backup".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        days: 30,
    }
}

#[tokio::test]
async fn a_token_stands_for_its_account_within_its_scopes_until_it_ends() {
    let (fixture, identity) = signed_in().await;
    let client = Client::default();
    let accounts = &fixture.accounts;
    let (made, token) = accounts
        .make_token(&identity, &new(&["orders:read"]), &client)
        .await
        .unwrap();
    let (account, limits) = accounts.identify_program(token.reveal()).await.unwrap().unwrap();
    assert_eq!(account.id, identity.account.id);
    assert!(limits.allow(Action::Read, "orders") && !limits.allow(Action::Delete, "orders"));
    assert_eq!(
        accounts.tokens(account.id).await.unwrap()[0].seen_ms,
        Some(fixture.clock.now_ms())
    );
    // It is no session.
    assert_eq!(accounts.identify(token.reveal()).await, Ok(None));

    let (other, other_token) = accounts.make_token(&identity, &new(&["write"]), &client).await.unwrap();
    accounts.end_token(account.id, made.id, &client).await.unwrap();
    assert_eq!(accounts.identify_program(token.reveal()).await, Ok(None));
    assert_eq!(
        accounts.end_token(account.id, made.id, &client).await,
        Err(Error::NotFound)
    );
    let eve = fixture.account("eve@example.org").await;
    assert_eq!(
        accounts.end_token(eve.id, other.id, &client).await,
        Err(Error::NotFound)
    );
    assert!(accounts.identify_program(other_token.reveal()).await.unwrap().is_some());
    fixture.clock.advance(30 * DAY_MS);
    assert_eq!(accounts.identify_program(other_token.reveal()).await, Ok(None));
}

/// The random bytes of a token that begins like this.
fn random(token: &str, prefix: &str) -> Vec<u8> {
    let text = token.strip_prefix(prefix).unwrap();
    assert_eq!(text.len(), 43, "{prefix}");
    data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn each_kind_of_token_is_its_prefix_and_256_random_bits() {
    let guarded = Guarded::new().await;
    let (accounts, client) = (&guarded.fixture.accounts, Client::default());
    let mut kinds = ["pcs_", "pcl_", "pcc_", "pca_"].map(|prefix| (prefix, Vec::new()));
    for recovery in &guarded.recovery[..8] {
        let challenge = guarded.challenge().await;
        let answered = guarded.answer(&challenge, Method::Recovery, recovery).await;
        let session = answered.unwrap().token;
        let made = accounts.make_token(&guarded.identity, &new(&["read"]), &client).await;
        let (_, program) = made.unwrap();
        let link = guarded.fixture.newest_link("token-made").await;
        let tokens = [session.reveal(), &link, challenge.token.reveal(), program.reveal()];
        for ((prefix, drawn), token) in kinds.iter_mut().zip(tokens) {
            drawn.push(random(token, prefix));
        }
    }
    for (prefix, drawn) in kinds {
        // That one of the 128 bytes is by chance the same in eight tokens happens once in 10^14 runs.
        for place in 0..32 {
            let is_same = drawn.iter().all(|bytes| bytes[place] == drawn[0][place]);
            assert!(!is_same, "{prefix}: byte {place}");
        }
        let different: BTreeSet<&Vec<u8>> = drawn.iter().collect();
        assert_eq!(different.len(), drawn.len(), "{prefix}");
    }
}

#[tokio::test]
async fn a_token_is_made_only_by_one_who_has_proved_who_they_are_of_late() {
    let (fixture, identity) = signed_in().await;
    fixture.clock.advance(5 * MINUTE_MS);
    let late = fixture
        .accounts
        .make_token(&identity, &new(&["read"]), &Client::default())
        .await;
    assert_eq!(late.err(), Some(Error::NotRecent));
}

#[tokio::test]
async fn a_token_without_a_name_an_end_or_a_scope_is_none() {
    let (fixture, identity) = signed_in().await;
    for bad in [
        NewToken {
            name: String::new(),
            ..new(&["read"])
        },
        NewToken {
            name: "a\nb".to_owned(),
            ..new(&["read"])
        },
        NewToken {
            days: 0,
            ..new(&["read"])
        },
        NewToken {
            days: 367,
            ..new(&["read"])
        },
        new(&[]),
        new(&["everything"]),
    ] {
        let made = fixture.accounts.make_token(&identity, &bad, &Client::default()).await;
        assert!(matches!(made, Err(Error::Invalid(_))), "{bad:?}");
    }
    for _ in 0..50 {
        fixture
            .accounts
            .make_token(&identity, &new(&["read"]), &Client::default())
            .await
            .unwrap();
    }
    let many = fixture
        .accounts
        .make_token(&identity, &new(&["read"]), &Client::default())
        .await;
    assert!(matches!(many, Err(Error::Conflict(_))), "{many:?}");
}

#[tokio::test]
async fn the_first_administrator_is_made_once_within_a_quarter_of_an_hour() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let link = async || accounts.offer_setup().await.unwrap();
    let token = |link: Option<String>| link.unwrap().rsplit_once('=').unwrap().1.to_owned();
    let by = By::console();
    let set_up = async |token: &str| accounts.set_up(token, ADDRESS, PASSWORD, &by).await;
    let (first, second) = (token(link().await), token(link().await));
    assert_eq!(
        set_up(&first).await,
        Err(Error::LinkSpent),
        "a later link takes its place"
    );
    fixture.clock.advance(15 * MINUTE_MS);
    assert_eq!(set_up(&second).await, Err(Error::LinkSpent));
    let third = token(link().await);
    let weak = accounts.set_up(&third, ADDRESS, "password", &by).await;
    assert!(matches!(weak, Err(Error::Invalid(_))), "{weak:?}");
    let made = set_up(&third).await.unwrap();
    assert!(made.roles.contains("admin"));
    assert_eq!(set_up(&third).await, Err(Error::LinkSpent));
    assert_eq!(link().await, None);
}

#[tokio::test]
async fn no_link_is_given_out_where_the_operator_has_made_an_administrator() {
    let fixture = Fixture::new();
    let account = fixture.account(ADDRESS).await;
    assert!(fixture.accounts.offer_setup().await.unwrap().is_some());
    let roles = Change {
        roles: Some(["admin".to_owned()].into()),
        ..Change::default()
    };
    fixture
        .accounts
        .change(account.id, &roles, &By::console())
        .await
        .unwrap();
    assert_eq!(fixture.accounts.offer_setup().await.unwrap(), None);
}

#[tokio::test]
async fn each_attempt_is_in_the_activity_of_the_account_and_of_no_other() {
    let fixture = Fixture::new();
    let ada = fixture.account(ADDRESS).await;
    let eve = fixture.account("eve@example.org").await;
    fixture.login(ADDRESS, ANOTHER).await.unwrap_err();
    fixture.login("bob@example.org", PASSWORD).await.unwrap_err();
    fixture.login(ADDRESS, PASSWORD).await.unwrap();
    let events = fixture.accounts.activity(ada.id, None, 10).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.act, event.method, event.is_success))
        .collect();
    let password = Some(Method::Password);
    assert_eq!(told, [(Act::Login, password, true), (Act::Login, password, false)]);
    let older = fixture.accounts.activity(ada.id, Some(events[0].id), 10).await.unwrap();
    assert_eq!(older, events[1..]);
    assert_eq!(fixture.accounts.activity(eve.id, None, 10).await.unwrap(), []);
    fixture.clock.advance(90 * DAY_MS);
    assert_eq!(fixture.accounts.activity(ada.id, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_done_to_an_account_is_in_the_audit_log_and_who_it_was_is_sealed() {
    let fixture = Fixture::new();
    let ada = fixture.account(ADDRESS).await;
    let locked = Change {
        is_locked: Some(true),
        ..Change::default()
    };
    fixture.accounts.change(ada.id, &locked, &By::console()).await.unwrap();
    // What changes nothing is no act.
    fixture.accounts.change(ada.id, &locked, &By::console()).await.unwrap();
    let page = fixture.accounts.audit_page(None, 10).await.unwrap();
    let acts: Vec<_> = page.iter().map(|(entry, _)| entry.act.act.as_str()).collect();
    assert_eq!(acts, ["account.change", "account.create"]);
    assert_eq!(page[0].1[0]["email"], ADDRESS);
    assert!(!serde_json::to_string(&page[0].0).unwrap().contains(ADDRESS));
    assert_eq!(
        fixture.accounts.audit_verify(None).await.unwrap().problems,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn what_takes_an_account_back_ends_its_tokens_for_programs_too() {
    let (fixture, mut identity) = signed_in().await;
    let (accounts, client, account) = (&fixture.accounts, Client::default(), identity.account.id);
    for way in ["a lock", "all sessions ended", "a reset"] {
        let (_, token) = accounts.make_token(&identity, &new(&["read"]), &client).await.unwrap();
        assert!(accounts.identify_program(token.reveal()).await.unwrap().is_some());
        let locked = |is_locked: bool| Change {
            is_locked: Some(is_locked),
            ..Change::default()
        };
        match way {
            "a lock" => {
                accounts.change(account, &locked(true), &By::console()).await.unwrap();
                accounts.change(account, &locked(false), &By::console()).await.unwrap();
            }
            "all sessions ended" => accounts.end_sessions_of(account, &By::console()).await.unwrap(),
            _ => {
                accounts.forgot(ADDRESS).await.unwrap();
                let link = fixture.newest_link("reset").await;
                accounts.reset(&link, PASSWORD, &client).await.unwrap();
            }
        }
        assert_eq!(accounts.identify_program(token.reveal()).await, Ok(None), "after {way}");
        let login = fixture.login(ADDRESS, PASSWORD).await.unwrap();
        identity = fixture.identity(&login).await.unwrap();
    }
}

#[tokio::test]
async fn one_who_is_refused_again_and_again_does_not_fill_the_audit_log() {
    let fixture = Fixture::new();
    let ada = fixture.account(ADDRESS).await;
    let told = (0..1_000).filter(|_| fixture.accounts.attempts.is_refusal_told(ada.id));
    assert_eq!(told.count(), 60);
    let eve = fixture.account("eve@example.org").await;
    assert!(fixture.accounts.attempts.is_refusal_told(eve.id));
}

#[tokio::test]
async fn a_password_that_is_refused_takes_no_place_of_those_that_hash() {
    let (fixture, identity) = signed_in().await;
    let ran = || fixture.accounts.hasher.ran.load(std::sync::atomic::Ordering::Relaxed);
    let before = ran();
    let refused = fixture
        .accounts
        .change_password(&identity, "passwordpassword", &Client::default())
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(ran(), before);
}
