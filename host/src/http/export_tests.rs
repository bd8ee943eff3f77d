//! Archives: what they take, and how they end.

use std::sync::{Arc, Weak};

use futures_util::StreamExt as _;

use super::*;

const FILE_BYTES: usize = 1 << 20;

/// An archive that is being sent, and the room that it takes.
fn sent() -> (Chunks, Weak<()>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; FILE_BYTES]).unwrap();
    file.rewind().unwrap();
    let room = Arc::new(());
    let place = Arc::downgrade(&room);
    (chunks(file, room), place)
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_is_not_taken_in_time_loses_its_room_and_is_seen_to_be_broken_off() {
    let (mut chunks, room) = sent();
    let mut taken = chunks.next().await.unwrap().unwrap().len();
    tokio::time::sleep(SENT_WITHIN / 2).await;
    assert!(room.upgrade().is_some());
    tokio::time::sleep(SENT_WITHIN).await;
    assert!(room.upgrade().is_none());
    let last = loop {
        match chunks.next().await.unwrap() {
            Ok(chunk) => taken += chunk.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(last.kind(), io::ErrorKind::TimedOut);
    assert!(taken < FILE_BYTES, "{taken}");
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_is_taken_is_whole_and_one_that_nobody_takes_any_more_leaves_its_room() {
    let (mut chunks, room) = sent();
    let mut taken = 0;
    while let Some(chunk) = chunks.next().await {
        taken += chunk.unwrap().len();
    }
    assert_eq!(taken, FILE_BYTES);
    let (given_up, other_room) = sent();
    drop(given_up);
    // No more than the tasks need to see it: the clock stands still while they are at it.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(room.upgrade().is_none() && other_room.upgrade().is_none());
}

#[test]
fn an_account_has_one_archive_at_a_time_and_there_are_only_so_many() {
    let account = Uuid::from_u128;
    let mut rooms = vec![Room::take(account(1)).expect("there is room")];
    let again = Room::take(account(1)).err().expect("it has one already");
    assert_eq!(again.status(), StatusCode::CONFLICT);
    rooms.extend((2..=16).map(|number| Room::take(account(number)).expect("there is room")));
    let more = Room::take(account(17)).err().expect("there are so many");
    assert_eq!(more.status(), StatusCode::SERVICE_UNAVAILABLE);
    rooms.clear();
    assert!(Room::take(account(1)).is_ok());
}

#[tokio::test]
async fn an_archive_that_would_be_too_large_is_refused_with_what_can_be_done() {
    let mut archive = Archive {
        bytes: MAX_BYTES - 1,
        ..Archive::begin().unwrap()
    };
    archive.file("documents/items.json").unwrap();
    archive.write(b"[").unwrap();
    let refused = blocking(move || archive.write(b"]")).await.unwrap_err();
    assert_eq!(
        (refused.status(), refused.code()),
        (StatusCode::INSUFFICIENT_STORAGE, "archive_too_large")
    );
}
