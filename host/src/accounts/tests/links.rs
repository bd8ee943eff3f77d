//! How long the links in mails do what they are for: to the millisecond, and not a moment longer.

use super::*;
use crate::config::Registration;
use crate::storage::keyspace::accounts as keys;

const ADDRESS: &str = "ada@example.org";

fn fixture() -> Fixture {
    Fixture::with(|config| config.registration = Registration::Open)
}

/// The moment before and the moment at which a time is over, and whether a link is good then.
fn around(lasts_ms: u64) -> [(u64, bool); 2] {
    [(lasts_ms - 1, true), (lasts_ms, false)]
}

/// What is done with a link and what its page says, which agree.
async fn judged(fixture: &Fixture, link: (LinkFor, &str), done: impl Future<Output = Result<(), Error>>) -> bool {
    let checked = fixture.accounts.check_link(link.0, link.1).await;
    let done = done.await;
    assert_eq!(checked, done);
    assert!(matches!(done, Ok(()) | Err(Error::LinkSpent)), "{done:?}");
    done.is_ok()
}

#[tokio::test]
async fn a_link_that_resets_a_password_is_good_for_half_an_hour() {
    for (age_ms, is_good) in around(30 * MINUTE_MS) {
        let fixture = fixture();
        fixture.account(ADDRESS).await;
        fixture.accounts.forgot(ADDRESS).await.unwrap();
        let link = fixture.newest_link("reset").await;
        fixture.clock.advance(age_ms);
        let client = Client::default();
        let reset = fixture.accounts.reset(&link, ANOTHER, &client);
        assert_eq!(judged(&fixture, (LinkFor::Resetting, &link), reset).await, is_good);
        assert_eq!(fixture.login(ADDRESS, ANOTHER).await.is_ok(), is_good);
        assert_eq!(fixture.login(ADDRESS, PASSWORD).await.is_ok(), !is_good);
    }
}

#[tokio::test]
async fn no_link_is_kept_that_is_sent_to_nobody() {
    let fixture = fixture();
    fixture.account("eve@example.org").await;
    for address in [ADDRESS, "eve@example.org"] {
        for _ in 0..10 {
            fixture.accounts.register(address, PASSWORD, None).await.unwrap();
            fixture.accounts.forgot(address).await.unwrap();
        }
    }
    let links = fixture.accounts.begin().scan(&keys::links(), None, 100).await.unwrap();
    // Five of each kind, whether somebody has the address or not.
    assert_eq!(links.len(), 20);
}

#[tokio::test]
async fn a_link_that_confirms_an_address_is_good_for_a_day() {
    for (age_ms, is_good) in around(DAY_MS) {
        let fixture = fixture();
        fixture.accounts.register(ADDRESS, PASSWORD, None).await.unwrap();
        let link = fixture.newest_link("confirm").await;
        fixture.clock.advance(age_ms);
        let client = Client::default();
        let confirm = async {
            fixture
                .accounts
                .confirm(&link, Confirmation::Registered(PASSWORD), &client)
                .await
                .map(drop)
        };
        assert_eq!(judged(&fixture, (LinkFor::Confirming, &link), confirm).await, is_good);
        assert_eq!(fixture.login(ADDRESS, PASSWORD).await.is_ok(), is_good);
    }
}

#[tokio::test]
async fn the_link_of_a_login_ends_all_that_came_from_there_and_has_it_watched_again() {
    let fixture = fixture();
    let home = Client {
        address: Some([192, 0, 2, 1].into()),
        agent: Some("Browser/1".to_owned()),
    };
    let thief = Client {
        address: Some([198, 51, 100, 1].into()),
        ..home.clone()
    };
    let account = fixture.account(ADDRESS).await.id;
    let (own, first) = (
        fixture.login_from(ADDRESS, &home).await,
        fixture.login_from(ADDRESS, &thief).await,
    );
    let link = fixture.newest_link("new-login").await;
    // Of this one nobody is told.
    let second = fixture.login_from(ADDRESS, &thief).await;
    let new = NewToken {
        name: "backup".to_owned(),
        scopes: vec!["read".to_owned()],
        days: 30,
    };
    let by_thief = fixture.identity(&second).await.unwrap();
    fixture.accounts.make_token(&by_thief, &new, &thief).await.unwrap();
    fixture.accounts.end_by_link(&link, &home).await.unwrap();
    assert!(fixture.identity(&own).await.is_some());
    for ended in [&first, &second] {
        assert!(fixture.identity(ended).await.is_none());
    }
    assert_eq!(fixture.accounts.tokens(account).await.unwrap(), []);
    fixture.login_from(ADDRESS, &thief).await;
    assert_ne!(fixture.newest_link("new-login").await, link);

    // A new password: nobody is known any more but the one who has set it.
    fixture.accounts.forgot(ADDRESS).await.unwrap();
    let link = fixture.newest_link("reset").await;
    fixture.accounts.reset(&link, PASSWORD, &home).await.unwrap();
    let told = fixture.newest_link("new-login").await;
    fixture.login_from(ADDRESS, &home).await;
    assert_eq!(fixture.newest_link("new-login").await, told);
    fixture.login_from(ADDRESS, &thief).await;
    assert_ne!(fixture.newest_link("new-login").await, told);
}

#[tokio::test]
async fn a_link_that_ends_a_session_is_good_for_a_week() {
    for (age_ms, is_good) in around(7 * DAY_MS) {
        let fixture = fixture();
        fixture.account(ADDRESS).await;
        fixture.login(ADDRESS, PASSWORD).await.unwrap();
        let elsewhere = Client {
            address: Some([198, 51, 100, 1].into()),
            agent: Some("Thief/1".to_owned()),
        };
        let LoggedIn::Session(thief) = fixture.accounts.login(ADDRESS, PASSWORD, &elsewhere).await.unwrap() else {
            panic!("a second factor is asked for");
        };
        let link = fixture.newest_link("new-login").await;
        // The session is used, so that it is still there to be ended.
        let uses = 2 * age_ms / DAY_MS;
        for _ in 0..uses {
            fixture.clock.advance(DAY_MS / 2);
            assert!(fixture.identity(&thief).await.is_some());
        }
        fixture.clock.advance(age_ms - uses * DAY_MS / 2);
        let client = Client::default();
        let end = fixture.accounts.end_by_link(&link, &client);
        assert_eq!(judged(&fixture, (LinkFor::Ending, &link), end).await, is_good);
        assert_eq!(fixture.identity(&thief).await.is_none(), is_good);
    }
}
