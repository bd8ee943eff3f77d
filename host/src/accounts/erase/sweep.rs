//! The stages of an erasure, a page at a time.

use serde::de::IgnoredAny;
use serde_json::Value;
use uuid::Uuid;

use super::{Erasure, Stage, find};
use crate::accounts::Accounts;
use crate::accounts::error::Error;
use crate::accounts::factor::Factors;
use crate::accounts::mail::About;
use crate::accounts::store::Work;
use crate::accounts::watch::Watch;
use crate::capabilities::catalogue::Catalogue;
use crate::capabilities::erasure;
use crate::manifest::OnErase;
use crate::storage::engine::{Key, Range};
use crate::storage::keyspace::accounts as keys;
use crate::storage::keyspace::{all_answers, answers_of, outbox};

/// Rows of one commit.
const PAGE: usize = 200;

impl Accounts {
    /// Does a page of the stage. Whether the stage is over.
    pub(super) async fn sweep(
        &self,
        work: &mut Work,
        catalogue: &Catalogue,
        erasure: &mut Erasure,
    ) -> Result<bool, Error> {
        let account = erasure.account;
        match erasure.stage {
            Stage::Documents => self.sweep_documents(work, catalogue, erasure).await,
            Stage::Buckets => {
                let (removed, place) =
                    erasure::erase_buckets(&self.engine, work.transaction(), account, erasure.behind()).await?;
                erasure.removed.bucket_entries += removed;
                erasure.behind = place.as_deref().map(<[u8]>::to_vec);
                Ok(place.is_none())
            }
            Stage::Answers => {
                let all = |_: &Erasure, _: &[u8]| true;
                self.remove_matching(work, erasure, &answers_of(account), Counted::Answers, all)
                    .await
            }
            Stage::AnswersOfOthers => {
                let owner = format!("\"owner\":\"{account}\"");
                let is_about = |_: &Erasure, value: &[u8]| contains(value, owner.as_bytes());
                self.remove_matching(work, erasure, &all_answers(), Counted::Answers, is_about)
                    .await
            }
            Stage::Dead | Stage::DeadSince => {
                self.remove_named(work, erasure, &outbox::all_dead(), Counted::Outbox)
                    .await
            }
            Stage::Waiting => {
                self.remove_named(work, erasure, &outbox::all_waiting(), Counted::Outbox)
                    .await
            }
            Stage::Links => self.remove_named(work, erasure, &keys::links(), Counted::Links).await,
            Stage::Challenges => {
                self.remove_named(work, erasure, &keys::challenges(), Counted::Links)
                    .await
            }
            Stage::Ceremonies => {
                self.remove_named(work, erasure, &keys::ceremonies(), Counted::Links)
                    .await
            }
            Stage::SignIns => self.remove_named(work, erasure, &keys::flows(), Counted::Links).await,
            Stage::Activity => {
                let removed = remove(work, &keys::events(account)).await?;
                erasure.removed.activity += removed;
                Ok(removed < PAGE as u64)
            }
            Stage::Account => {
                if !remove_attempts(work, erasure).await? {
                    return Ok(false);
                }
                remove_account(work, erasure).await?;
                Ok(true)
            }
        }
    }

    /// Removes rows that name the account.
    async fn remove_named(
        &self,
        work: &mut Work,
        erasure: &mut Erasure,
        range: &Range,
        counted: Counted,
    ) -> Result<bool, Error> {
        self.remove_matching(work, erasure, range, counted, is_named).await
    }

    /// Removes rows that are about the account, so many that a commit takes. Whether the range is at its end.
    async fn remove_matching(
        &self,
        work: &mut Work,
        erasure: &mut Erasure,
        range: &Range,
        counted: Counted,
        is_about: impl Fn(&Erasure, &[u8]) -> bool,
    ) -> Result<bool, Error> {
        let found = find(&self.engine, range, erasure.behind(), |row| is_about(erasure, row)).await?;
        for key in found.keys {
            // It may be gone by now, or be something else.
            let row = work.transaction().get(&key).await?;
            if !row.is_some_and(|row| is_about(erasure, &row)) {
                continue;
            }
            work.delete(key);
            match counted {
                Counted::Answers => erasure.removed.kept_answers += 1,
                Counted::Outbox => erasure.removed.outbox_entries += 1,
                Counted::Links => erasure.removed.links += 1,
            }
        }
        erasure.behind = found.behind.as_deref().map(<[u8]>::to_vec);
        Ok(erasure.behind.is_none())
    }

    async fn sweep_documents(
        &self,
        work: &mut Work,
        catalogue: &Catalogue,
        erasure: &mut Erasure,
    ) -> Result<bool, Error> {
        let state = catalogue.current();
        let current = erasure.place.as_deref();
        let mut collections = state
            .collections()
            .filter(|collection| Some(&**collection.name()) >= current);
        let Some(collection) = collections.next() else {
            return Ok(true);
        };
        let name = collection.name().to_string();
        let behind = erasure.behind().filter(|_| erasure.place.as_ref() == Some(&name));
        let found = erasure::owned(&self.engine, &name, erasure.account, behind).await?;
        let erased = erasure::erase(
            work.transaction(),
            &state,
            collection,
            erasure.account,
            &found.documents,
        )
        .await?;
        if erased > 0 {
            let counts = match collection.on_erase() {
                OnErase::Delete => &mut erasure.removed.documents,
                OnErase::Anonymise => &mut erasure.removed.anonymised,
            };
            *counts.entry(name.clone()).or_default() += erased;
        }
        if let Some(last) = found.last {
            (erasure.place, erasure.behind) = (Some(name), Some(last.to_vec()));
            return Ok(false);
        }
        let next = collections.next().map(|next| next.name().to_string());
        (erasure.place, erasure.behind) = (next.clone(), None);
        Ok(next.is_none())
    }
}

/// Where a removed row is counted.
#[derive(Clone, Copy)]
enum Counted {
    Answers,
    Outbox,
    Links,
}

/// Removes a page of a range whose rows are small. How many there were.
async fn remove(work: &mut Work, range: &Range) -> Result<u64, Error> {
    let keys = work.scan_keys(range, PAGE).await?;
    let removed = keys.len() as u64;
    for key in keys {
        work.delete(key);
    }
    Ok(removed)
}

/// Where a row of the host says whose it is; what else it says is about others.
const OWNERS: [&str; 8] = [
    // Mails and other entries of the outbox.
    "/payload/to",
    "/payload/account",
    // What links in mails do.
    "/Confirm/id",
    "/Confirm/address",
    "/Reset/account",
    "/End/account",
    // Logins that wait for a second factor or a passkey.
    "/account",
    // Sign-ins that are under way.
    "/purpose/Link/account",
];

/// Whether a row says that it is the account's, by its id or its address.
fn is_named(erasure: &Erasure, row: &[u8]) -> bool {
    let Ok(row) = serde_json::from_slice::<Value>(row) else {
        return false;
    };
    // What is of later is about somebody who has the address anew.
    let is_of_then = match erasure.finished_ms() {
        None => true,
        Some(finished_ms) => {
            // A registration that waits is as old as the account that it would make.
            let made_ms = row["made_ms"].as_u64().or(row["Confirm"]["created_ms"].as_u64());
            made_ms.is_some_and(|made_ms| made_ms <= finished_ms)
        }
    };
    let id = erasure.account.to_string();
    OWNERS
        .iter()
        .filter_map(|pointer| row.pointer(pointer)?.as_str())
        .any(|named| named == id || is_of_then && erasure.is_address(named))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// What was written of attempts to log in that were about nobody, and of mails that others asked for. Whether that is all of
/// it: it comes with the last step, as others may try until then, and there may be much of it.
async fn remove_attempts(work: &mut Work, erasure: &mut Erasure) -> Result<bool, Error> {
    for stranger in erasure.strangers() {
        let removed = remove(work, &keys::events(stranger)).await?;
        erasure.removed.activity += removed;
        if removed == PAGE as u64 {
            return Ok(false);
        }
        let mailed = About::UNASKED.map(|about| keys::mailed(about.as_str(), stranger));
        for key in mailed.into_iter().chain([keys::watch(stranger)]) {
            if work.read::<IgnoredAny>(&key).await?.is_some() {
                work.delete(key);
            }
        }
    }
    Ok(true)
}

/// The account itself, and the key without which nobody reads what the audit log tells of it.
async fn remove_account(work: &mut Work, erasure: &mut Erasure) -> Result<(), Error> {
    let account = erasure.account;
    count_factors(work, erasure).await;
    if let Some(address) = &erasure.address {
        let of_address = keys::address(address.as_str());
        // Somebody may have it anew only behind this commit.
        if work.read::<Uuid>(&of_address).await? == Some(account) {
            work.delete(of_address);
            erasure.removed.records += 1;
        }
    }
    let own: [Key; 4] = [
        keys::record(account),
        keys::factors(account),
        keys::watch(account),
        keys::personal_key(account),
    ];
    for key in own {
        if work.read::<IgnoredAny>(&key).await?.is_some() {
            work.delete(key);
            erasure.removed.records += 1;
        }
    }
    Ok(())
}

/// Counts what goes with the records of the account. Where one can't be read, it goes uncounted.
async fn count_factors(work: &mut Work, erasure: &mut Erasure) {
    let removed = &mut erasure.removed;
    if let Ok(Some(factors)) = work.read::<Factors>(&keys::factors(erasure.account)).await {
        removed.apps += u64::from(factors.totp.is_some());
        removed.recovery_codes += factors.recovery.len() as u64;
        removed.passkeys += factors.passkeys.len() as u64;
    }
    if let Ok(Some(watch)) = work.read::<Watch>(&keys::watch(erasure.account)).await {
        removed.known_places += watch.known().len() as u64;
    }
}
