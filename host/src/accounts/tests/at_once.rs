//! What is good once is good once, however many try it at the same time.

use super::second_factor::Guarded;
use super::*;

const ADDRESS: &str = "ada@example.org";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_that_many_use_at_once_sets_one_password() {
    let fixture = Arc::new(Fixture::with(|config| config.attempts.per_account = 0));
    fixture.account(ADDRESS).await;
    fixture.accounts.forgot(ADDRESS).await.unwrap();
    let link = fixture.newest_link("reset").await;
    let passwords: Vec<String> = (0..6).map(|number| format!("{ANOTHER} {number}")).collect();
    let tries: Vec<_> = passwords
        .iter()
        .map(|password| {
            let (fixture, link, password) = (Arc::clone(&fixture), link.clone(), password.clone());
            tokio::spawn(async move { fixture.accounts.reset(&link, &password, &Client::default()).await })
        })
        .collect();
    let mut set = Vec::new();
    for (tried, password) in tries.into_iter().zip(&passwords) {
        match tried.await.unwrap() {
            Ok(()) => set.push(password),
            Err(error) => assert_eq!(error, Error::LinkSpent),
        }
    }
    assert_eq!(set.len(), 1, "{set:?}");
    for password in &passwords {
        let login = fixture.login(ADDRESS, password).await;
        assert_eq!(login.is_ok(), password == set[0], "{password}");
    }
    assert_eq!(
        fixture.login(ADDRESS, PASSWORD).await.err(),
        Some(Error::BadCredentials)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_recovery_code_that_answers_several_challenges_at_once_logs_in_once() {
    let guarded = Arc::new(Guarded::new().await);
    for code in guarded.recovery.clone() {
        let mut tries = Vec::new();
        for _ in 0..5 {
            let challenge = guarded.challenge().await;
            let (guarded, code) = (Arc::clone(&guarded), code.clone());
            tries.push(async move { guarded.answer(&challenge, Method::Recovery, &code).await });
        }
        // Only now, so that all of them are under way together.
        let tries: Vec<_> = tries.into_iter().map(tokio::spawn).collect();
        let mut logins = 0;
        for tried in tries {
            match tried.await.unwrap() {
                Ok(_) => logins += 1,
                Err(error) => assert_eq!(error, Error::BadCode),
            }
        }
        assert_eq!(logins, 1, "{code}");
        let late = guarded.challenge().await;
        // The last one is not even asked for.
        let used = guarded.answer(&late, Method::Recovery, &code).await;
        assert_eq!(used.err(), Some(Error::BadCode));
    }
}
