//! Who acts with the right of an operator must have it still when what they do is committed.

use super::*;
use crate::capabilities::catalogue::Catalogue;
use crate::storage::audit::Actor;

/// What an administrator does who was one when they began.
async fn refused(fixture: &Fixture, by: &By, somebody: Uuid) -> Vec<Option<Error>> {
    let accounts = &fixture.accounts;
    let new = NewAccount {
        address: "another@example.org".parse().unwrap(),
        name: None,
        password: None,
        roles: ["admin".to_owned()].into(),
    };
    let locked = Change {
        is_locked: Some(true),
        ..Change::default()
    };
    let catalogue = Catalogue::load(Arc::clone(&accounts.engine), 0).await.unwrap();
    vec![
        accounts.create(new, by).await.err(),
        accounts.change(somebody, &locked, by).await.err(),
        accounts.end_sessions_of(somebody, by).await.err(),
        accounts.reset_factors(somebody, by).await.err(),
        accounts.erase(&catalogue, somebody, by).await.err(),
        accounts
            .audit_act(by, "store.backup", None, serde_json::Value::Null)
            .await
            .err(),
    ]
}

#[tokio::test]
async fn whoever_is_no_administrator_any_more_finishes_nothing_that_they_had_begun() {
    let fixture = Fixture::new();
    let admin = fixture.account("root@example.org").await.id;
    let somebody = fixture.member("ada@example.org").await.account.id;
    let by = By {
        actor: Actor::Account(admin),
        client: Client::default(),
        as_operator: true,
    };
    let change = async |change: Change, by: &By| fixture.accounts.change(admin, &change, by).await;
    let roles = |roles: &[&str]| Change {
        roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
        ..Change::default()
    };
    change(roles(&["admin"]), &By::console()).await.unwrap();
    let before = fixture.accounts.audit_page(None, 10).await.unwrap().len();
    // They may give it up themselves, or be locked.
    change(roles(&["clerk"]), &by).await.unwrap();
    assert_eq!(
        refused(&fixture, &by, somebody).await,
        vec![Some(Error::NoAdministrator); 6]
    );
    let locked = Change {
        is_locked: Some(true),
        ..roles(&["admin"])
    };
    change(locked, &By::console()).await.unwrap();
    assert_eq!(
        refused(&fixture, &by, somebody).await,
        vec![Some(Error::NoAdministrator); 6]
    );
    let after = fixture.accounts.audit_page(None, 10).await.unwrap().len();
    assert_eq!(after - before, 2, "what was not done is not in the log");
    assert!(!fixture.accounts.account(somebody).await.unwrap().is_locked);
}
