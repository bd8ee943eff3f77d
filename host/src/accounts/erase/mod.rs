//! Erasing an account: everything that is the account's own, step by step. Each step is a commit that says how far it went,
//! so that a crash between two of them loses nothing, and the host goes on when it starts again.

mod find;
mod receipt;
mod sweep;
mod traces;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(super) use find::find;
pub use receipt::{Receipt, ReceiptKey, Signed};
pub use traces::Traces;

use super::account::{Account, Record};
use super::activity::Subject;
use super::address::Address;
use super::audit::By;
use super::error::Error;
use super::store::{self, Work};
use super::{Accounts, Identity, session};
use crate::capabilities::catalogue::Catalogue;
use crate::storage::audit::Actor;
use crate::storage::engine::Key;
use crate::storage::keyspace::accounts as keys;
use crate::storage::keyspace::written_down;

/// How long the receipt is kept: it names nobody.
const RECEIPT_KEPT_MS: u64 = 400 * 24 * 60 * 60_000;
/// How long after the end it is looked once more for what a call that was under way has written since.
const AFTERWARDS_MS: u64 = 5 * 60_000;
/// Erasures that are found at a time.
const FOUND: usize = 100;
/// Erasures that go on at a time.
pub(in crate::accounts) const TOGETHER: usize = 4;

/// An erasure that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Erasure {
    account: Uuid,
    /// Gone with the last step.
    address: Option<Address>,
    /// What tells the address from others when it is looked once more; it can't be read as an address.
    #[serde(default)]
    address_digest: Option<[u8; 32]>,
    /// Under what attempts to log in are kept that name the address while nobody has it.
    #[serde(default)]
    stranger: Option<Uuid>,
    requested_ms: u64,
    by: Actor,
    stage: Stage,
    /// Where in the stage it goes on: a collection, and a key.
    place: Option<String>,
    behind: Option<Vec<u8>>,
    removed: Removed,
    /// From when on it is looked once more.
    due_ms: Option<u64>,
}

/// The stages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Documents,
    Buckets,
    Answers,
    AnswersOfOthers,
    Dead,
    Waiting,
    /// What was tried for the last time, or again, while it was looked for among the others.
    DeadSince,
    Links,
    Challenges,
    Ceremonies,
    SignIns,
    Activity,
    Account,
}

impl Stage {
    fn next(self) -> Option<Self> {
        Some(match self {
            Self::Documents => Self::Buckets,
            Self::Buckets => Self::Answers,
            Self::Answers => Self::AnswersOfOthers,
            Self::AnswersOfOthers => Self::Dead,
            Self::Dead => Self::Waiting,
            Self::Waiting => Self::DeadSince,
            Self::DeadSince => Self::Links,
            Self::Links => Self::Challenges,
            Self::Challenges => Self::Ceremonies,
            Self::Ceremonies => Self::SignIns,
            Self::SignIns => Self::Activity,
            Self::Activity => Self::Account,
            Self::Account => return None,
        })
    }
}

/// Whether there was none of something that receipts of before did not count: it is not in the receipt then, nor was it.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What was removed, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Documents that were removed, by collection.
    pub documents: BTreeMap<String, u64>,
    /// Documents that belong to nobody now, by collection.
    pub anonymised: BTreeMap<String, u64>,
    /// Entries of the account's buckets with plugins.
    pub bucket_entries: u64,
    /// Answers that were kept for repeated requests.
    pub kept_answers: u64,
    /// Mails and other entries of the outbox.
    pub outbox_entries: u64,
    /// Links in mails, and logins that waited for a second factor, a passkey or a provider.
    pub links: u64,
    /// Entries of the activity.
    pub activity: u64,
    /// Sessions.
    pub sessions: u64,
    /// Tokens for programs.
    pub tokens: u64,
    /// Identities at providers.
    #[serde(default)]
    pub identities: u64,
    /// Apps that make codes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub apps: u64,
    /// Recovery codes that were not used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recovery_codes: u64,
    /// Passkeys.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub passkeys: u64,
    /// Places from where somebody had logged in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub known_places: u64,
    /// Records of the account itself: it, its address, its second factors, what is known of its logins, and the key to what the
    /// audit log tells of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub records: u64,
}

impl Accounts {
    /// Erases the account of one who acts and has proved a short while ago who they are, with the second factor where there is
    /// one.
    pub async fn erase_own(&self, catalogue: &Catalogue, identity: &Identity, by: &By) -> Result<Signed, Error> {
        let account = identity.account.id;
        store::again(|| async {
            let mut work = self.begin();
            let record = self.changing_factors(&mut work, identity).await?.record;
            self.begin_erasure(work, &record, by).await
        })
        .await?;
        self.erase_all(catalogue, account).await
    }

    /// Erases somebody's account. Where it is erased already, the receipt is the one of then.
    pub async fn erase(&self, catalogue: &Catalogue, account: Uuid, by: &By) -> Result<Signed, Error> {
        if let Some(receipt) = self.receipt(account).await? {
            return Ok(receipt);
        }
        store::again(|| async {
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            let record = self.record(&mut work, account).await?;
            self.begin_erasure(work, &record, by).await
        })
        .await?;
        self.erase_all(catalogue, account).await
    }

    /// Goes on with erasures that were begun, such as before a crash, and looks once more where it is time. How many there
    /// are still.
    pub async fn go_on_erasing(&self, catalogue: &Catalogue) -> Result<usize, Error> {
        let (mut left, mut behind) = (0, None);
        loop {
            let rows = store::again(|| async {
                let mut work = self.begin();
                let rows = work.scan(&keys::erasures(), behind.as_ref(), FOUND).await?;
                work.commit().await?;
                Ok(rows)
            })
            .await?;
            let is_last = rows.len() < FOUND;
            behind = rows.last().map(|(key, _)| key.clone());
            // One that has much to remove keeps back few of the others, and one that is in trouble none.
            for rows in rows.chunks(TOGETHER) {
                let gone_on = rows.iter().map(|(_, value)| self.go_on_with(catalogue, value));
                let is_left = join_all(gone_on).await.into_iter().filter(|is_left| *is_left);
                left += is_left.count();
            }
            if is_last {
                return Ok(left);
            }
        }
    }

    /// Goes on with an erasure if it is time. Whether there is more to do of it.
    async fn go_on_with(&self, catalogue: &Catalogue, erasure: &[u8]) -> bool {
        let erasure: Erasure = match store::decode(erasure) {
            Ok(erasure) => erasure,
            Err(error) => {
                tracing::error!(target: "accounts", %error, "an erasure does not go on");
                return true;
            }
        };
        if erasure.due_ms.is_some_and(|due_ms| due_ms > self.clock.now_ms()) {
            return true;
        }
        let gone_on = self.erase_all(catalogue, erasure.account).await;
        if let Err(error) = &gone_on {
            tracing::error!(target: "accounts", account = %erasure.account, %error, "an erasure does not go on");
        }
        gone_on.is_err()
    }

    /// Whether an account is on its way out.
    pub(super) async fn is_being_erased(&self, work: &mut Work, account: Uuid) -> Result<bool, Error> {
        Ok(work.read::<Erasure>(&keys::erasure(account)).await?.is_some())
    }

    /// Refuses what would write more about an account that is on its way out.
    pub(super) async fn refuse_erased(&self, work: &mut Work, account: Uuid) -> Result<(), Error> {
        match self.is_being_erased(work, account).await? {
            true => Err(Error::Conflict("the account is being erased")),
            false => Ok(()),
        }
    }

    /// From here on nobody acts as the account any more.
    pub(super) async fn begin_erasure(&self, mut work: Work, record: &Record, by: &By) -> Result<(), Error> {
        let account = &record.account;
        if work.read::<Erasure>(&keys::erasure(account.id)).await?.is_some() {
            return Ok(());
        }
        let sessions = self.sessions_in(&mut work, account.id).await?;
        self.end_all(&mut work, account.id, None).await?;
        let tokens = self.end_tokens(&mut work, account.id).await?;
        let identities = self.end_identities(&mut work, account.id).await?;
        let locked = Record {
            account: Account {
                is_locked: true,
                ..account.clone()
            },
            password: None,
            is_short: false,
        };
        work.write(keys::record(account.id), &locked, None)?;
        let erasure = Erasure {
            account: account.id,
            address: Some(account.address.clone()),
            address_digest: None,
            stranger: Some(stranger(account.address.as_str())),
            requested_ms: self.clock.now_ms(),
            by: by.actor,
            stage: Stage::Documents,
            place: None,
            behind: None,
            removed: Removed {
                sessions,
                tokens,
                identities,
                ..Removed::default()
            },
            due_ms: None,
        };
        work.write(keys::erasure(account.id), &erasure, None)?;
        self.audit(&mut work, by, "account.erase", Some(account)).await?;
        work.commit().await
    }

    async fn erase_all(&self, catalogue: &Catalogue, account: Uuid) -> Result<Signed, Error> {
        loop {
            if let Some(receipt) = store::again(|| self.step(catalogue, account)).await? {
                return Ok(receipt);
            }
        }
    }

    /// One step; the receipt behind the last one. Whoever asks for it, only so many are under way at a time, as each holds some
    /// of what it removes: the others wait for their turns, in which a short erasure comes to its end beside long ones.
    pub(super) async fn step(&self, catalogue: &Catalogue, account: Uuid) -> Result<Option<Signed>, Error> {
        let turn = self.erasing.acquire().await;
        let _turn = turn.map_err(|error| Error::Internal(error.to_string()))?;
        let mut work = self.begin();
        let Some(mut erasure) = work.read::<Erasure>(&keys::erasure(account)).await? else {
            // Somebody else was at it, and is done.
            return self.receipt(account).await?.ok_or(Error::NotFound).map(Some);
        };
        let is_over = self.sweep(&mut work, catalogue, &mut erasure).await?;
        if !is_over {
            work.write(keys::erasure(account), &erasure, None)?;
            work.commit().await?;
            return Ok(None);
        }
        (erasure.place, erasure.behind) = (None, None);
        if let Some(next) = erasure.stage.next() {
            erasure.stage = next;
            work.write(keys::erasure(account), &erasure, None)?;
            work.commit().await?;
            return Ok(None);
        }
        self.finish(work, erasure).await.map(Some)
    }

    async fn finish(&self, mut work: Work, mut erasure: Erasure) -> Result<Signed, Error> {
        let account = erasure.account;
        let is_second = erasure.due_ms.is_some();
        if is_second {
            work.delete(keys::erasure(account));
            work.commit().await?;
            return self.receipt(account).await?.ok_or(Error::NotFound);
        }
        let finished_ms = self.clock.now_ms();
        let receipt = Receipt::new(account, (erasure.requested_ms, finished_ms), erasure.removed.clone());
        let signed = self.secrets.receipts.sign(&receipt)?;
        work.write(keys::receipt(account), &signed, Some(finished_ms + RECEIPT_KEPT_MS))?;
        let address = erasure.address.take();
        erasure.address_digest = address.map(|address| digest(account, address.as_str()));
        erasure.stage = Stage::Documents;
        erasure.due_ms = Some(finished_ms + AFTERWARDS_MS);
        work.write(keys::erasure(account), &erasure, None)?;
        work.commit().await?;
        Ok(signed)
    }

    /// The receipt of an account that is gone.
    pub async fn receipt(&self, account: Uuid) -> Result<Option<Signed>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let receipt = work.read(&keys::receipt(account)).await?;
            work.commit().await?;
            Ok(receipt)
        })
        .await
    }

    /// What proves that a receipt is this host's.
    pub fn receipt_key(&self) -> serde_json::Value {
        self.secrets.receipts.public()
    }
}

impl Erasure {
    fn behind(&self) -> Option<Key> {
        self.behind.clone().map(written_down)
    }

    /// Whether it is the account's address.
    fn is_address(&self, text: &str) -> bool {
        match &self.address {
            Some(address) => address.as_str() == text,
            None => self.address_digest == Some(digest(self.account, text)),
        }
    }

    /// Under what attempts to log in are kept that were about nobody: with the address before somebody had it, or since, and
    /// with a passkey of an account that is gone.
    fn strangers(&self) -> impl Iterator<Item = Uuid> + use<> {
        let by_passkey = stranger(&self.account.to_string());
        self.stranger.into_iter().chain([by_passkey])
    }

    /// When the account was gone, where it is looked once more.
    fn finished_ms(&self) -> Option<u64> {
        self.due_ms.map(|due_ms| due_ms.saturating_sub(AFTERWARDS_MS))
    }
}

fn stranger(text: &str) -> Uuid {
    Subject::stranger(text).id()
}

/// What finds an address of an account. No two accounts have the same, so that no table of addresses helps.
fn digest(account: Uuid, address: &str) -> [u8; 32] {
    session::digest(&format!("{account} {address}"))
}
