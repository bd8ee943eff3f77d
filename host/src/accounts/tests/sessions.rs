//! Sessions over a real store: how long they last, and what ends them.

use super::*;

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
async fn a_request_under_way_loses_its_right_with_its_token() {
    let fixture = Fixture::new();
    let before = fixture.member("ada@example.org").await;
    let (proof, client) = (Proof::Password(PASSWORD), Client::default());
    let login = fixture.accounts.reauthenticate(&before, proof, &client).await.unwrap();
    let after = fixture.identity(&login).await.unwrap();
    assert_eq!(before.session.id, after.session.id);
    // Whoever has only the token from before has lost the session, though it goes on.
    let refused = fixture.accounts.offer_totp(&before).await;
    assert_eq!(refused.err(), Some(Error::SessionEnded));
    fixture.accounts.offer_totp(&after).await.unwrap();
}
