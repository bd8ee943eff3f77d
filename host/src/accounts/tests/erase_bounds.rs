//! What erasures take of the host: little at a time, however much there is and however many go.

use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::erase_places::{answer, shows};
use super::*;
use crate::accounts::erase::TOGETHER;
use crate::storage::watched::Watched;

#[tokio::test]
async fn an_erasure_reads_little_at_a_time_however_large_the_rows_are() {
    let store = Watched::new();
    let fixture = Fixture::over(Arc::clone(&store) as _, |_| {});
    let ada = fixture.account("ada@example.org").await;
    let eve = fixture.account("eve@example.org").await;
    let filler = "x".repeat(2 << 20);
    for number in 0..20 {
        let large = |holder: &Account| (answer(holder.id, number), format!("{}{filler}", shows(ada.id)));
        fixture.put([large(&ada), large(&eve)]).await;
    }
    let catalogue = fixture.catalogue().await;
    let signed = fixture
        .accounts
        .erase(&catalogue, ada.id, &By::console())
        .await
        .unwrap();
    assert_eq!(signed.receipt.removed.kept_answers, 40);
    fixture.accounts.traces(ada.id, Some(&ada.address)).await.unwrap();
    let scanned = store.most_scanned.load(Ordering::Relaxed);
    assert!((1 << 20..8 << 20).contains(&scanned), "{scanned}");
}

#[tokio::test]
async fn only_so_many_steps_of_erasures_are_taken_at_a_time_whoever_asks_for_them() {
    let store = Watched::new();
    let fixture = Fixture::over(Arc::clone(&store) as _, |_| {});
    let accounts = &fixture.accounts;
    let mut ids = Vec::new();
    for number in 0..3 * TOGETHER {
        let id = fixture.account(&format!("ada{number}@example.org")).await.id;
        fixture.begin_erasure(id).await;
        ids.push(id);
    }
    let (catalogue, by) = (fixture.catalogue().await, By::console());
    store.most_commits.store(0, Ordering::Relaxed);
    let asked = ids.iter().map(|id| accounts.erase(&catalogue, *id, &by));
    // The worker is at it, too.
    let (erased, gone_on) = tokio::join!(join_all(asked), accounts.go_on_erasing(&catalogue));
    assert!(erased.iter().all(Result::is_ok) && gone_on.is_ok());
    assert_eq!(store.most_commits.load(Ordering::Relaxed), TOGETHER);
}

#[tokio::test]
async fn an_erasure_that_nobody_waits_for_any_more_gives_its_turn_back_and_is_gone_on_with() {
    let fixture = Fixture::over(Watched::new(), |_| {});
    let accounts = &fixture.accounts;
    let (catalogue, by) = (fixture.catalogue().await, By::console());
    let mut ids = Vec::new();
    for number in 0..2 * TOGETHER {
        let id = fixture.account(&format!("ada{number}@example.org")).await.id;
        fixture.begin_erasure(id).await;
        ids.push(id);
    }
    let asked = ids.iter().map(|id| accounts.erase(&catalogue, *id, &by));
    // Some are in the middle of a step, and the others wait for their turns; then all of the clients go away.
    assert!(join_all(asked).now_or_never().is_none());
    assert_eq!(accounts.erasing.available_permits(), TOGETHER);
    assert_eq!(accounts.go_on_erasing(&catalogue).await, Ok(0));
    for id in ids {
        assert!(accounts.receipt(id).await.unwrap().is_some());
    }
}
