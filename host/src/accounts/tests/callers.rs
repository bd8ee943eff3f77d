//! Whom a session stands for, as each request asks it: remembered, and never a moment longer than it is so.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::*;
use crate::storage::engine::{Commit, Outcome, Put, Range, Reads};
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

/// Writes so many keys that the store does not remember any more what was written before.
async fn make_forget(store: &Watched) {
    let since = store.health().applied;
    // The last commit is remembered, however large.
    for _ in 0..2 {
        let puts = (0..140_000_u64).map(|number| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            let nothing = Put {
                value: Bytes::new(),
                expires_ms: None,
            };
            (keyspace::accounts::session(&digest), nothing)
        });
        let commit = Commit {
            puts: puts.collect(),
            ..Commit::default()
        };
        assert!(matches!(store.commit(commit).await, Outcome::Committed(_)));
    }
    // A range that nobody wrote to counts as changed where that is not known any more.
    let untouched = Reads {
        keys: Vec::new(),
        ranges: vec![Range {
            start: keyspace::accounts::session(&[0xfe; 32]),
            end: keyspace::accounts::session(&[0xff; 32]),
        }],
    };
    let changed = store.changed(&untouched, since, store.health().applied).await;
    assert_eq!(changed.unwrap().len(), 1, "the store has not forgotten");
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
    let mut let_in = 0;
    for _ in 0..50 {
        let login = fixture.login("ada@example.org", PASSWORD).await.unwrap();
        let has_ended = Arc::new(AtomicBool::new(false));
        let requests: Vec<_> = (0..4)
            .map(|_| {
                let (fixture, has_ended) = (Arc::clone(&fixture), Arc::clone(&has_ended));
                let token = login.token.reveal().to_owned();
                tokio::spawn(async move {
                    let mut was_let_in = false;
                    loop {
                        let is_too_late = has_ended.load(Ordering::SeqCst);
                        let caller = fixture.accounts.caller(&token).await.unwrap();
                        assert!(!(is_too_late && caller.is_some()), "an ended session lets somebody in");
                        if is_too_late {
                            return was_let_in;
                        }
                        was_let_in |= caller.is_some();
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
            let_in += usize::from(request.await.unwrap());
        }
    }
    assert!(let_in > 0, "nobody asked before an end");
}
