//! Erasing over a real store: all that is an account's own goes, and nothing of others.

use super::*;
use crate::capabilities::catalogue::Catalogue;
use crate::storage::outbox::Outbox;

const ADDRESS: &str = "ada@example.org";

#[tokio::test]
async fn an_account_that_is_erased_leaves_nothing_but_its_id_where_that_may_be() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let (ada, eve) = (
        fixture.account(ADDRESS).await,
        fixture.account("xada@example.org").await,
    );
    let login = fixture.login(ADDRESS, PASSWORD).await.unwrap();
    fixture.login(ADDRESS, ANOTHER).await.unwrap_err();
    let other = fixture.login("xada@example.org", PASSWORD).await.unwrap();
    accounts.forgot(ADDRESS).await.unwrap();
    accounts.forgot("xada@example.org").await.unwrap();
    let before = accounts.traces(ada.id, Some(&ada.address)).await.unwrap();
    assert!(before.left > 5, "{before:?}");

    let catalogue = Catalogue::load(Arc::clone(&accounts.engine), 0).await.unwrap();
    let identity = fixture.identity(&login).await.unwrap();
    fixture.clock.advance(MINUTE_MS);
    let signed = accounts.erase_own(&catalogue, &identity, &By::console()).await.unwrap();
    let removed = &signed.receipt.removed;
    assert_eq!(
        (
            removed.sessions,
            removed.outbox_entries,
            removed.links,
            removed.activity
        ),
        (1, 1, 1, 2)
    );
    assert!(fixture.identity(&login).await.is_none());
    assert_eq!(
        fixture.login(ADDRESS, PASSWORD).await.err(),
        Some(Error::BadCredentials)
    );
    let after = accounts.traces(ada.id, Some(&ada.address)).await.unwrap();
    // What is left holds the other address, of which this one is the end, or stands for an attempt to log in to nothing.
    let of_eve = accounts.traces(eve.id, Some(&eve.address)).await.unwrap();
    assert!(of_eve.left >= 5, "{of_eve:?}");
    assert_eq!(accounts.traces(ada.id, None).await.unwrap().left, 0, "{after:?}");
    assert!(fixture.identity(&other).await.is_some());

    // The audit log still tells what was done, and no longer to whom.
    let entries = accounts.audit_page(None, 10).await.unwrap();
    let of_ada = |entry: &&(crate::storage::audit::Entry, Vec<serde_json::Value>)| {
        entry.0.act.subject.as_deref() == Some(ada.id.to_string().as_str())
    };
    let told: Vec<_> = entries.iter().filter(of_ada).collect();
    assert_eq!(told.len(), 2, "{entries:?}");
    assert!(told.iter().all(|(_, personal)| personal.is_empty()), "{told:?}");
    assert_eq!(
        accounts.audit_verify(None).await.unwrap().problems,
        Vec::<String>::new()
    );

    // Asked again, the receipt is the same; the address is free.
    assert_eq!(accounts.erase(&catalogue, ada.id, &By::console()).await, Ok(signed));
    fixture.account(ADDRESS).await;
}

#[tokio::test]
async fn a_receipt_counts_what_the_account_had_to_log_in_with() {
    let fixture = Fixture::new();
    let ada = fixture.account(ADDRESS).await;
    let at_home = Client {
        address: Some([192, 0, 2, 1].into()),
        agent: Some("a browser".to_owned()),
    };
    let login = fixture.login_from(ADDRESS, &at_home).await;
    let identity = fixture.identity(&login).await.unwrap();
    fixture.guard(&identity).await;
    let catalogue = Catalogue::load(Arc::clone(&fixture.accounts.engine), 0).await.unwrap();
    let signed = fixture
        .accounts
        .erase(&catalogue, ada.id, &By::console())
        .await
        .unwrap();
    let removed = &signed.receipt.removed;
    // The account, its address, its factors, its logins and its key.
    assert_eq!((removed.apps, removed.recovery_codes, removed.records), (1, 10, 5));
    assert_eq!(removed.known_places, 1);
}

#[tokio::test]
async fn an_erasure_that_was_broken_off_anywhere_is_gone_on_with() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let ada = fixture.account(ADDRESS).await;
    fixture.login(ADDRESS, PASSWORD).await.unwrap();
    let catalogue = Catalogue::load(Arc::clone(&accounts.engine), 0).await.unwrap();
    let record = accounts.record(&mut accounts.begin(), ada.id).await.unwrap();
    accounts
        .begin_erasure(accounts.begin(), &record, &By::console())
        .await
        .unwrap();
    let mut steps = 0;
    // As if the host died behind each step, and somebody tried to come in meanwhile.
    loop {
        assert_eq!(
            fixture.login(ADDRESS, PASSWORD).await.err(),
            Some(Error::BadCredentials)
        );
        match accounts.step(&catalogue, ada.id).await.unwrap() {
            Some(_) => break,
            None => steps += 1,
        }
    }
    assert!(steps >= 8, "{steps}");
    // Those who tried have left nothing of it.
    let traces = accounts.traces(ada.id, Some(&ada.address)).await.unwrap();
    assert_eq!(traces.left, 0, "{traces:?}");
    // It is looked once more, a while later, and then there is nothing to do any more.
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(1));
    fixture.clock.advance(5 * MINUTE_MS);
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(0));
    assert!(accounts.receipt(ada.id).await.unwrap().is_some());
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(0));
    assert_eq!(accounts.traces(ada.id, None).await.unwrap().left, 0);
}

#[tokio::test]
async fn nobody_is_erased_by_a_session_that_was_not_proved_of_late() {
    let fixture = Fixture::new();
    let ada = fixture.account(ADDRESS).await;
    let login = fixture.login(ADDRESS, PASSWORD).await.unwrap();
    let identity = fixture.identity(&login).await.unwrap();
    let catalogue = Catalogue::load(Arc::clone(&fixture.accounts.engine), 0).await.unwrap();
    fixture.clock.advance(5 * MINUTE_MS);
    let erased = fixture.accounts.erase_own(&catalogue, &identity, &By::console()).await;
    assert_eq!(erased, Err(Error::NotRecent));
    assert!(fixture.accounts.account(ada.id).await.is_ok());
}

#[tokio::test]
async fn a_mail_of_somebody_else_that_names_the_address_stays_and_so_does_what_the_audit_log_says_elsewhere() {
    let fixture = Fixture::new();
    let accounts = &fixture.accounts;
    let ada = fixture.account(ADDRESS).await;
    fixture.account("eve@example.org").await;
    // A program calls itself what it likes.
    let named = Client {
        agent: Some(ADDRESS.to_owned()),
        ..Client::default()
    };
    for client in [Client::default(), named] {
        accounts.login("eve@example.org", PASSWORD, &client).await.unwrap();
    }
    accounts.forgot(ADDRESS).await.unwrap();
    let outbox = Outbox::of(Arc::clone(&accounts.engine));
    let to = async || {
        let mails = outbox.list(false, 100).await.unwrap();
        let mut to: Vec<_> = mails.iter().map(|mail| mail.payload["to"].to_string()).collect();
        to.sort_unstable();
        to
    };
    assert_eq!(to().await, ["\"ada@example.org\"", "\"eve@example.org\""]);
    let catalogue = Catalogue::load(Arc::clone(&accounts.engine), 0).await.unwrap();
    accounts.erase(&catalogue, ada.id, &By::console()).await.unwrap();
    assert_eq!(to().await, ["\"eve@example.org\""]);

    // Whoever looks for the address is told of it in the audit log, where it must not be.
    let path = Some(format!("/admin/api/accounts/{ADDRESS}"));
    accounts
        .audit_act(&By::console(), "admin.refused", path, serde_json::Value::Null)
        .await
        .unwrap();
    let traces = accounts.traces(ada.id, Some(&ada.address)).await.unwrap();
    let in_log = |place: &&String| place.contains("audit log");
    assert_eq!(traces.places.iter().filter(in_log).count(), 1, "{traces:?}");
}
