//! The audit log: who did what to accounts, plugins and policy. It is only ever appended to, in the transaction of what it
//! tells of, and each entry holds the hash of the one before it: none can be changed, left out or put elsewhere without
//! all that follow being made anew.

mod change;

use std::sync::Arc;

use bytes::Bytes;
pub use change::{Settings, record_change};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::engine::{Direction, Engine, Key};
use super::keyspace::audit as keys;
use super::transaction::{Ended, Transaction};

/// Entries that are read at a time.
pub const PAGE: usize = 200;
/// How often an entry is appended on its own where others append at the same time, and how often a page is read.
const TRIES: u32 = 64;

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The holder of the operator token.
    Operator,
    /// An account.
    Account(Uuid),
    /// A command, while no host had the store open.
    Console,
    /// The host itself.
    Host,
    /// Somebody who is not signed in.
    Anonymous,
}

/// What an entry tells. It names accounts by their ids only; what else tells of a person is in `personal`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who.
    pub actor: Actor,
    /// What was done, for instance `account.roles`.
    pub act: String,
    /// To what: an account's id, a plugin's name.
    pub subject: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
    /// What tells of a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub personal: Vec<Personal>,
}

/// What tells of a person, encrypted under a key of the account, so that it is gone once that key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Whose key.
    pub account: Uuid,
    /// The sealed text.
    pub sealed: String,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub number: u64,
    /// The hash of the entry before, in hexadecimal digits; that of nothing for the first.
    pub previous: String,
    /// What it tells.
    #[serde(flatten)]
    pub act: Act,
}

/// The end of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last entry; 0 where there is none.
    pub number: u64,
    /// Its hash (SHA-256 over its stored text), in hexadecimal digits.
    pub hash: String,
}

/// What a check of the chain found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Entries that were looked at.
    pub entries: u64,
    /// The end of the log: noted elsewhere, it proves later that nothing before it was changed.
    pub head: Head,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

/// Appends with what else the transaction writes.
pub async fn append(transaction: &mut Transaction, act: Act) -> Result<(), Ended> {
    let head = head(transaction).await?;
    let entry = Entry {
        number: head.number + 1,
        previous: head.hash,
        act,
    };
    let text = encode(&entry)?;
    let head = Head {
        number: entry.number,
        hash: hash(&text),
    };
    transaction.put(keys::entry(entry.number), text, None);
    transaction.put(keys::head(), encode(&head)?, None);
    Ok(())
}

/// Appends in a transaction of its own: for what changes nothing else in the store.
pub async fn record(engine: &Arc<dyn Engine>, act: &Act) -> Result<(), Ended> {
    again(|| async {
        let mut transaction = Transaction::begin(Arc::clone(engine), act.at_ms);
        append(&mut transaction, act.clone()).await?;
        transaction.commit().await.map(|_| ())
    })
    .await
}

/// Up to 200 entries behind the number `behind`, in the direction.
pub async fn page(
    engine: &Arc<dyn Engine>,
    behind: Option<u64>,
    direction: Direction,
    limit: usize,
    now_ms: u64,
) -> Result<Vec<Entry>, Ended> {
    let after = behind.map(keys::entry);
    let rows = again(|| async {
        let mut transaction = Transaction::begin(Arc::clone(engine), now_ms);
        let rows = transaction
            .scan(&keys::entries(), after.as_ref(), limit.min(PAGE), direction)
            .await?;
        transaction.commit().await?;
        Ok(rows)
    })
    .await?;
    rows.iter().map(|(_, text)| decode(text)).collect()
}

/// Follows the chain from its first entry to its last. One of them must have the expected hash, where there is one.
pub async fn verify(engine: &Arc<dyn Engine>, expected: Option<&str>, now_ms: u64) -> Result<Report, Ended> {
    let mut report = Report::default();
    let mut last = Head::default();
    let mut is_met = expected.is_none();
    let mut behind: Option<Key> = None;
    loop {
        let (rows, stored) = again(|| async {
            let mut transaction = Transaction::begin(Arc::clone(engine), now_ms);
            let rows = transaction
                .scan(&keys::entries(), behind.as_ref(), PAGE, Direction::Forward)
                .await?;
            let stored = head(&mut transaction).await?;
            transaction.commit().await?;
            Ok((rows, stored))
        })
        .await?;
        for (key, text) in &rows {
            last = follow(&last, key, text, &mut report.problems);
            report.entries += 1;
            is_met |= expected == Some(&last.hash);
        }
        if rows.len() < PAGE {
            if stored != last {
                let told = format!(
                    "the log says that its last entry is {}, and the last one that is there is {}",
                    stored.number, last.number
                );
                report.problems.push(told);
            }
            if !is_met {
                report
                    .problems
                    .push("no entry has the expected hash: the log is another one".to_owned());
            }
            report.head = last;
            return Ok(report);
        }
        behind = rows.last().map(|(key, _)| key.clone());
    }
}

/// Checks that an entry follows the one before.
fn follow(last: &Head, key: &Key, text: &Bytes, problems: &mut Vec<String>) -> Head {
    let number = keys::parse_entry(key).unwrap_or_default();
    let missing = number.saturating_sub(last.number + 1);
    if missing > 0 {
        problems.push(format!("{missing} entries before {number} are missing"));
    }
    match decode::<Entry>(text) {
        Ok(entry) if entry.number != number => {
            problems.push(format!("the entry {number} calls itself {}", entry.number));
        }
        Ok(entry) if missing == 0 && entry.previous != last.hash => {
            problems.push(format!(
                "the entry {number} does not follow the one before it as that is now"
            ));
        }
        Ok(_) => {}
        Err(error) => problems.push(format!("the entry {number} is unreadable: {error}")),
    }
    Head {
        number,
        hash: hash(text),
    }
}

async fn head(transaction: &mut Transaction) -> Result<Head, Ended> {
    let stored = transaction.get(&keys::head()).await?;
    stored.map_or_else(|| Ok(Head::default()), |text| decode(&text))
}

async fn again<T, F>(work: impl Fn() -> F) -> Result<T, Ended>
where
    F: Future<Output = Result<T, Ended>>,
{
    let mut tries = 1;
    loop {
        match work().await {
            Err(Ended::Conflict(_)) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

fn encode(value: &impl Serialize) -> Result<Bytes, Ended> {
    let text = serde_json::to_vec(value).map_err(|error| Ended::TooLarge(error.to_string()))?;
    Ok(text.into())
}

fn decode<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, Ended> {
    serde_json::from_slice(text).map_err(|error| Ended::Unavailable(format!("the audit log: {error}")))
}

fn hash(text: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory;

    pub(super) fn act(number: u64) -> Act {
        Act {
            at_ms: number,
            actor: Actor::Operator,
            act: "plugin.reload".to_owned(),
            subject: None,
            detail: serde_json::json!({ "number": number }),
            personal: Vec::new(),
        }
    }

    async fn log(entries: u64) -> Arc<dyn Engine> {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        for number in 1..=entries {
            record(&engine, &act(number)).await.unwrap();
        }
        engine
    }

    async fn change(engine: &Arc<dyn Engine>, key: Key, text: Option<Bytes>) -> Vec<String> {
        let mut transaction = Transaction::begin(Arc::clone(engine), 0);
        match text {
            Some(text) => transaction.put(key, text, None),
            None => transaction.delete(key),
        }
        transaction.commit().await.unwrap();
        verify(engine, None, 0).await.unwrap().problems
    }

    #[tokio::test]
    async fn entries_are_numbered_and_follow_each_other_although_many_append_at_a_time() {
        let engine = log(0).await;
        let appending = (1..=20).map(|number| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { record(&engine, &act(number)).await })
        });
        for appended in appending.collect::<Vec<_>>() {
            appended.await.unwrap().unwrap();
        }
        let report = verify(&engine, None, 0).await.unwrap();
        assert_eq!((report.entries, report.head.number, report.problems.len()), (20, 20, 0));
        let (third, other) = (
            page(&engine, Some(3), Direction::Forward, 1, 0).await.unwrap(),
            hash(b"other"),
        );
        let met = verify(&engine, Some(&third[0].previous), 0).await.unwrap();
        assert_eq!(met.problems, Vec::<String>::new());
        assert_eq!(verify(&engine, Some(&other), 0).await.unwrap().problems.len(), 1);
        let newest = page(&engine, None, Direction::Backward, 3, 0).await.unwrap();
        assert_eq!(
            newest.iter().map(|entry| entry.number).collect::<Vec<_>>(),
            [20, 19, 18]
        );
    }

    #[tokio::test]
    async fn a_changed_a_missing_and_a_cut_off_entry_are_found() {
        let engine = log(PAGE as u64 + 5).await;
        let mut transaction = Transaction::begin(Arc::clone(&engine), 0);
        let stored = transaction.get(&keys::entry(3)).await.unwrap().unwrap();
        drop(transaction);
        let forged = String::from_utf8(stored.to_vec()).unwrap().replace("operator", "host");
        assert_ne!(forged.as_bytes(), &stored[..]);
        let problems = change(&engine, keys::entry(3), Some(forged.into())).await;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("the entry 4"), "{problems:?}");

        let problems = change(&log(5).await, keys::entry(3), None).await;
        assert!(problems[0].contains("1 entries before 4"), "{problems:?}");
        let problems = change(&log(5).await, keys::entry(5), None).await;
        assert!(problems[0].contains("its last entry is 5"), "{problems:?}");
    }
}
