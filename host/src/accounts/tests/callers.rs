//! Whom a session stands for, as each request asks it: remembered, and never a moment longer than it is so.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::storage::engine::{Commit, Outcome};
use crate::storage::watched::Watched;

/// Whom the session of a login stands for, and whether the store was read for that.
async fn asked(fixture: &Fixture, store: &Watched, login: &Login) -> (Option<Vec<String>>, bool) {
    let before = store.gets.load(Ordering::Relaxed);
    let caller = fixture.accounts.caller(login.token.reveal()).await.unwrap();
    let roles = caller.map(|account| account.roles.to_vec());
    (roles, store.gets.load(Ordering::Relaxed) > before)
}

#[tokio::test]
async fn whom_a_session_stands_for_is_read_again_only_where_it_has_changed() {
    let store = Watched::new();
    let fixture = Fixture::over(Arc::clone(&store) as _, |_| {});
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(asked(&fixture, &store, &login).await, (Some(vec![]), true));
    assert_eq!(asked(&fixture, &store, &login).await, (Some(vec![]), false));
    // What others do changes nothing.
    fixture.login("eve@example.org", PASSWORD).await.unwrap();
    fixture
        .accounts
        .change(eve.id, &roles(&["editor"]), &By::console())
        .await
        .unwrap();
    assert_eq!(asked(&fixture, &store, &login).await, (Some(vec![]), false));
    fixture
        .accounts
        .change(ada.id, &roles(&["author"]), &By::console())
        .await
        .unwrap();
    let author = Some(vec!["author".to_owned()]);
    assert_eq!(asked(&fixture, &store, &login).await, (author.clone(), true));
    assert_eq!(asked(&fixture, &store, &login).await, (author.clone(), false));
    // Its time is over without anybody having written that.
    fixture.clock.advance(DAY_MS);
    assert_eq!(asked(&fixture, &store, &login).await, (None, false));
}

/// One commit of so many keys that the store remembers nothing that was written before.
async fn make_forget(store: &Watched) {
    let deletes = (0..140_000_u64).map(|number| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        keyspace::accounts::session(&digest)
    });
    let commit = Commit {
        deletes: deletes.collect(),
        ..Commit::default()
    };
    assert!(matches!(store.commit(commit).await, Outcome::Committed(_)));
}

#[tokio::test]
async fn a_change_counts_even_where_the_store_has_forgotten_when_it_was_made() {
    let store = Watched::new();
    let fixture = Fixture::over(Arc::clone(&store) as _, |_| {});
    let ada = fixture.account("ada@example.org").await;
    let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
    assert_eq!(asked(&fixture, &store, &login).await, (Some(vec![]), true));
    make_forget(&store).await;
    assert_eq!(asked(&fixture, &store, &login).await, (Some(vec![]), false));
    fixture
        .accounts
        .change(ada.id, &roles(&["author"]), &By::console())
        .await
        .unwrap();
    make_forget(&store).await;
    let author = Some(vec!["author".to_owned()]);
    assert_eq!(asked(&fixture, &store, &login).await, (author, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_that_begins_after_a_session_has_ended_is_let_in_by_it() {
    let fixture = Arc::new(Fixture::with(|config| config.attempts.per_account = 0));
    fixture.account("ada@example.org").await;
    for _ in 0..50 {
        let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
        let has_ended = Arc::new(AtomicBool::new(false));
        let requests: Vec<_> = (0..4)
            .map(|_| {
                let (fixture, has_ended) = (Arc::clone(&fixture), Arc::clone(&has_ended));
                let token = login.token.reveal().to_owned();
                tokio::spawn(async move {
                    loop {
                        let is_too_late = has_ended.load(Ordering::SeqCst);
                        let caller = fixture.accounts.caller(&token).await.unwrap();
                        assert!(!(is_too_late && caller.is_some()), "an ended session lets somebody in");
                        if is_too_late {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        fixture
            .accounts
            .end_session(login.account.id, login.session.id)
            .await
            .unwrap();
        has_ended.store(true, Ordering::SeqCst);
        for request in requests {
            request.await.unwrap();
        }
    }
}
