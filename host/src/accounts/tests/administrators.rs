//! Who acts with the right of an operator must have it still when what they do is committed, and it is in the audit log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::capabilities::catalogue::Catalogue;
use crate::storage::audit::Actor;

fn administrator(account: Uuid) -> By {
    By {
        actor: Actor::Account(account),
        client: Client::default(),
        as_operator: true,
    }
}

/// What the newest entry of the audit log says beside that somebody has done this to an account.
async fn audited(fixture: &Fixture, act: &str, (by, account): (Uuid, Uuid)) -> Value {
    let (entry, _) = fixture.accounts.audit_page(None, 1).await.unwrap().remove(0);
    let told = entry.act;
    assert_eq!((told.act.as_str(), told.actor), (act, Actor::Account(by)));
    assert_eq!(told.subject, Some(account.to_string()));
    told.detail
}

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
    let by = administrator(admin);
    let change = async |change: Change, by: &By| fixture.accounts.change(admin, &change, by).await;
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

#[tokio::test]
async fn the_audit_log_says_which_roles_an_account_had_and_which_it_has() {
    let fixture = Fixture::new();
    let admin = fixture.account("root@example.org").await.id;
    let ada = fixture.account("ada@example.org").await.id;
    let change = async |id: Uuid, roles: &Change, by: &By| fixture.accounts.change(id, roles, by).await.unwrap();
    change(admin, &roles(&["admin"]), &By::console()).await;
    let mut before: &[&str] = &[];
    let changes: [&[&str]; 3] = [&["clerk", "editor"], &["editor"], &[]];
    for after in changes {
        change(ada, &roles(after), &administrator(admin)).await;
        let detail = audited(&fixture, "account.change", (admin, ada)).await;
        assert_eq!(detail["roles"], json!({ "before": before, "after": after }));
        before = after;
    }
}

#[tokio::test]
async fn a_setup_and_sessions_that_an_operator_ends_are_in_the_audit_log() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let link = accounts.offer_setup().await.unwrap().unwrap();
    let (_, token) = link.split_once("?token=").unwrap();
    let by = By::console();
    let made = accounts.set_up(token, "root@example.org", PASSWORD, &by).await;
    let admin = made.unwrap().id;
    // Whoever has the link acts as the one whose account they make.
    audited(&fixture, "account.setup", (admin, admin)).await;

    let ada = fixture.account("ada@example.org").await.id;
    accounts.end_sessions_of(ada, &administrator(admin)).await.unwrap();
    audited(&fixture, "account.end-sessions", (admin, ada)).await;
}

#[tokio::test]
async fn roles_that_are_given_and_taken_leave_the_others_as_somebody_else_has_made_them() {
    let fixture = Fixture::new();
    let ada = fixture.account("ada@example.org").await.id;
    let change = async |change: Change| {
        fixture
            .accounts
            .change(ada, &change, &By::console())
            .await
            .unwrap()
            .roles
    };
    let named = |roles: &[&str]| {
        roles
            .iter()
            .map(|role| (*role).to_owned())
            .collect::<BTreeSet<String>>()
    };
    change(roles(&["author", "clerk"])).await;
    // Each of them has seen both roles.
    let taken = Change {
        removed_roles: named(&["clerk"]),
        ..Change::default()
    };
    let given = Change {
        added_roles: named(&["editor"]),
        ..Change::default()
    };
    assert_eq!(change(taken).await, named(&["author"]));
    assert_eq!(change(given).await, named(&["author", "editor"]));
    // Where both are said of a role, it is the safe one that holds.
    let both = Change {
        added_roles: named(&["clerk"]),
        removed_roles: named(&["clerk"]),
        ..Change::default()
    };
    assert_eq!(change(both).await, named(&["author", "editor"]));
}
