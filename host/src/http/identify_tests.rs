//! What is believed of a request's credentials.

use super::*;
use crate::accounts::{Address, Blocklist, By, Client, LoggedIn, NewAccount, ReceiptKey, Secrets, SeedKeys};
use crate::config;
use crate::storage::clock::SystemClock;
use crate::storage::memory;
use hyper::header::HeaderValue;

/// Argon2 as cheap as it gets.
fn accounts() -> Arc<Accounts> {
    let mut config = config::Accounts::default();
    (config.hashing.memory_kib, config.hashing.iterations) = (128, 1);
    let engine = Arc::new(memory::open().unwrap());
    let secrets = Secrets {
        seeds: SeedKeys::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap(),
        receipts: ReceiptKey::read(&ReceiptKey::generate().unwrap()).unwrap(),
        name: "Portcullis".to_owned(),
        public_url: None,
        blocklist: Blocklist::default(),
    };
    Arc::new(Accounts::new(engine, Arc::new(SystemClock), config, secrets).unwrap())
}

async fn caller(accounts: &Arc<Accounts>, values: &[&str]) -> Option<Caller> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    let identity = Identity::new("secret", Arc::clone(accounts));
    identity.caller(&bearer(&headers).ok()?).await.ok()
}

#[tokio::test]
async fn the_token_makes_the_operator() {
    let accounts = accounts();
    assert_eq!(caller(&accounts, &["Bearer secret"]).await, Some(Caller::Operator));
    assert_eq!(caller(&accounts, &["bearer  secret "]).await, Some(Caller::Operator));
}

#[tokio::test]
async fn no_header_makes_an_anonymous_caller() {
    assert_eq!(caller(&accounts(), &[]).await, Some(Caller::Anonymous));
}

#[tokio::test]
async fn the_token_of_a_session_makes_its_account_until_the_session_ends() {
    let accounts = accounts();
    let password = "plover quartz ninety lamp";
    let new = NewAccount {
        address: "ada@example.org".parse::<Address>().unwrap(),
        name: None,
        password: Some(password.to_owned()),
        roles: ["editor".to_owned()].into(),
    };
    let account = accounts.create(new, &By::console()).await.unwrap();
    let passed = accounts
        .login("ada@example.org", password, &Client::default())
        .await
        .unwrap();
    let LoggedIn::Session(login) = passed else {
        panic!("a second factor is asked for");
    };
    let header = format!("Bearer {}", login.token.reveal());
    assert_eq!(
        caller(&accounts, &[&header]).await,
        Some(Caller::Account(account.for_policy()))
    );
    assert_eq!(caller(&accounts, &[&header[..header.len() - 1]]).await, None);
    accounts.end_session(account.id, login.session.id).await.unwrap();
    assert_eq!(caller(&accounts, &[&header]).await, None);
}

#[tokio::test]
async fn anything_else_is_refused_rather_than_ignored() {
    let accounts = accounts();
    for bad in [
        "",
        "secret",
        "Bearer",
        "Bearer ",
        "Bearer secre",
        "Bearer secrets",
        "Bearer pcs_",
        "Bearer pcs_secret",
        "Basic c2VjcmV0",
    ] {
        assert_eq!(caller(&accounts, &[bad]).await, None, "{bad}");
    }
    assert_eq!(caller(&accounts, &["Bearer secret", "Bearer secret"]).await, None);
}
