//! Requests that may be repeated: what was committed is kept for a day and answered alike; one at a time.

use std::collections::HashSet;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::capabilities::model::{Document, Page};
use crate::policy::Caller;
use crate::storage::engine::{Idempotency, Key};
use crate::storage::keyspace;
use crate::storage::transaction::Transaction;

use super::attempt::Stop;
use super::call::{Answer, Work};
use super::failure::Failure;
use super::operation::{IdempotencyKey, Reply};

/// How long an answer is kept.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Whose limit it is, in [`Quota::namespace`].
pub(super) const NAMESPACE: &str = "kept answers";
/// What is kept for one account, or for the operator: the largest answer, and all of them.
const KNOWN: Room = Room {
    answer_bytes: 2 << 20,
    all_bytes: 256 << 20,
};
/// What is kept for all that are nobody, together: anybody may fill it.
const ANYBODY: Room = Room {
    answer_bytes: 64 << 10,
    all_bytes: 64 << 20,
};

/// What may be kept for a holder of answers.
struct Room {
    answer_bytes: usize,
    all_bytes: u64,
}

fn room(caller: &Caller) -> Room {
    match caller {
        Caller::Anonymous => ANYBODY,
        Caller::Account(_) | Caller::Operator => KNOWN,
    }
}

/// For whom an answer is kept. No account has either of the two ids that are none.
fn holder(caller: &Caller) -> Uuid {
    match caller {
        Caller::Anonymous => Uuid::nil(),
        Caller::Account(account) => account.id,
        Caller::Operator => Uuid::max(),
    }
}

/// The keys of requests that are being served.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashSet<[u8; 32]>>);

/// The only request with its key; others may follow once this is dropped.
pub(super) struct Alone<'a> {
    in_flight: &'a InFlight,
    name: [u8; 32],
}

impl InFlight {
    /// Refuses a second request with the same key while the first one is being served.
    pub(super) fn enter(&self, key: &IdempotencyKey) -> Result<Alone<'_>, Failure> {
        if self.0.lock().insert(key.name) {
            Ok(Alone {
                in_flight: self,
                name: key.name,
            })
        } else {
            Err(Failure::IdempotencyInFlight)
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.in_flight.0.lock().remove(&self.name);
    }
}

/// An answer as it is kept: the replies, so that a repeated request is rendered in the form that it asks for.
#[derive(Serialize, Deserialize)]
struct Kept {
    fingerprint: [u8; 32],
    replies: Vec<KeptReply>,
}

#[derive(Serialize, Deserialize)]
enum KeptReply {
    Page {
        items: Vec<KeptDocument>,
        next: Option<String>,
        total: Option<u64>,
    },
    Document(KeptDocument),
    Created(KeptDocument),
    Deleted,
}

#[derive(Serialize, Deserialize)]
struct KeptDocument {
    id: Uuid,
    revision: u64,
    owner: Option<Uuid>,
    created_ms: u64,
    updated_ms: u64,
    /// A JSON text.
    body: String,
}

/// Ends a request that was answered before, under the same key.
pub(super) async fn refuse_answered(work: &Work, transaction: &mut Transaction) -> Result<(), Stop> {
    let Some(key) = &work.idempotency else { return Ok(()) };
    match transaction.get(&answer_key(work, key)).await? {
        Some(answer) => Err(Stop::Replay(answer)),
        None => Ok(()),
    }
}

/// Keeps the answer with what was written. A request that wrote nothing may as well be done again.
pub(super) fn keep(work: &Work, replies: &[Reply], transaction: &mut Transaction) -> Result<(), Stop> {
    let Some(key) = work.idempotency.as_ref().filter(|_| !transaction.is_read_only()) else {
        return Ok(());
    };
    let caller = work.caller();
    let Room {
        answer_bytes,
        all_bytes,
    } = room(caller);
    let kept = record(answer_key(work, key), key, replies, transaction.now_ms());
    if kept.answer.len() > answer_bytes {
        let limit_kib = answer_bytes >> 10;
        let reason = format!("the answer has more than the {limit_kib} KiB that are kept under an idempotency key");
        return Err(Failure::TooLarge(reason).into());
    }
    transaction.keep_answer(kept);
    transaction.limit(keyspace::answers_quota(NAMESPACE, holder(caller), all_bytes));
    Ok(())
}

fn answer_key(work: &Work, key: &IdempotencyKey) -> Key {
    keyspace::answer(holder(work.caller()), &key.name)
}

/// What to keep of these replies.
fn record(at: Key, key: &IdempotencyKey, replies: &[Reply], now_ms: u64) -> Idempotency {
    let kept = Kept {
        fingerprint: key.fingerprint,
        replies: replies.iter().map(KeptReply::from).collect(),
    };
    let answer = serde_json::to_vec(&kept).expect("plain data becomes JSON");
    Idempotency {
        key: at,
        answer: Bytes::from(answer),
        expires_ms: now_ms + KEPT_MS,
    }
}

/// The answer that was kept, if it was given to the same body.
pub(super) fn replay(work: &Work, kept: &[u8]) -> Result<Answer, Failure> {
    let kept: Kept = serde_json::from_slice(kept).map_err(|error| {
        tracing::error!(target: "dispatch", %error, "a kept answer is unreadable: run `portcullis verify`");
        Failure::Unavailable
    })?;
    if work.idempotency.is_none_or(|key| key.fingerprint != kept.fingerprint) {
        return Err(Failure::IdempotencyMismatch);
    }
    Ok(Answer {
        replies: kept.replies.into_iter().map(Reply::from).collect(),
        replayed: true,
    })
}

impl From<&Reply> for KeptReply {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Page(Page { items, next, total }) => Self::Page {
                items: items.iter().map(KeptDocument::from).collect(),
                next: next.clone(),
                total: *total,
            },
            Reply::Document(document) => Self::Document(document.into()),
            Reply::Created(document) => Self::Created(document.into()),
            Reply::Deleted => Self::Deleted,
        }
    }
}

impl From<KeptReply> for Reply {
    fn from(kept: KeptReply) -> Self {
        match kept {
            KeptReply::Page { items, next, total } => Self::Page(Page {
                items: items.into_iter().map(Document::from).collect(),
                next,
                total,
            }),
            KeptReply::Document(document) => Self::Document(document.into()),
            KeptReply::Created(document) => Self::Created(document.into()),
            KeptReply::Deleted => Self::Deleted,
        }
    }
}

impl From<&Document> for KeptDocument {
    fn from(document: &Document) -> Self {
        let Document {
            id,
            revision,
            owner,
            created_ms,
            updated_ms,
            body,
        } = document;
        let body = String::from_utf8_lossy(body).into_owned();
        Self {
            id: *id,
            revision: *revision,
            owner: *owner,
            created_ms: *created_ms,
            updated_ms: *updated_ms,
            body,
        }
    }
}

impl From<KeptDocument> for Document {
    fn from(kept: KeptDocument) -> Self {
        let KeptDocument {
            id,
            revision,
            owner,
            created_ms,
            updated_ms,
            body,
        } = kept;
        Self {
            id,
            revision,
            owner,
            created_ms,
            updated_ms,
            body: Bytes::from(body),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_waits_for_nobody() {
        let in_flight = InFlight::default();
        let key = IdempotencyKey {
            name: [1; 32],
            fingerprint: [2; 32],
        };
        let alone = in_flight.enter(&key);
        assert!(alone.is_ok());
        assert_eq!(in_flight.enter(&key).err(), Some(Failure::IdempotencyInFlight));
        drop(alone);
        assert!(in_flight.enter(&key).is_ok());
    }

    #[test]
    fn replies_come_back_as_they_were_kept() {
        let document = Document {
            id: Uuid::from_u128(5),
            revision: 3,
            owner: Some(Uuid::from_u128(9)),
            created_ms: 1,
            updated_ms: 2,
            body: Bytes::from_static(r#"{"a":"ä\n"}"#.as_bytes()),
        };
        let page = Page {
            items: vec![document.clone()],
            next: Some("c".to_owned()),
            total: Some(4),
        };
        for reply in [
            Reply::Page(page),
            Reply::Document(document.clone()),
            Reply::Created(document),
            Reply::Deleted,
        ] {
            assert_eq!(Reply::from(KeptReply::from(&reply)), reply);
        }
    }
}
