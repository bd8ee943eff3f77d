//! What an account is given of its own data: a ZIP archive of JSON files. It is made in a file that has no name, so that it
//! takes no memory, and is sent once it is whole.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use futures_util::stream;
use hyper::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::body::Chunks;
use super::problem::Problem;
use super::routes::auth::{account as account_routes, list, passkeys, tokens};
use super::routes::oidc::list as identities;
use super::{Http, render, routes};
use crate::accounts::{Account, MAX_EVENTS, Remembered, Undelivered};
use crate::capabilities::erasure;
use crate::storage::transaction::Ended;

/// The largest archive, before it is compressed.
const MAX_BYTES: u64 = 1 << 30;
/// What is sent at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Archives that are made at a time; others wait.
static PLACES: Semaphore = Semaphore::const_new(2);
/// How long an archive is sent at most: until then its place is nobody else's, and whoever takes it slowly could keep it.
const SENT_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Archives that are there at a time, being made or being sent.
static ARCHIVES: Semaphore = Semaphore::const_new(16);
/// Whose they are: one for each account.
static OF: Mutex<BTreeSet<Uuid>> = Mutex::new(BTreeSet::new());

/// Room for an archive, until it was sent, its time is over, or its client has gone away.
struct Room {
    account: Uuid,
    _place: SemaphorePermit<'static>,
}

impl Room {
    fn take(account: Uuid) -> Result<Self, Problem> {
        let place = ARCHIVES.try_acquire();
        let place = place.map_err(|_| Problem::unavailable("overloaded", "too many archives are being sent", 30))?;
        if !OF.lock().insert(account) {
            let detail = "an archive of this account is being made or sent already";
            return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
        }
        Ok(Self { account, _place: place })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        OF.lock().remove(&self.account);
    }
}

/// An archive that is being made.
struct Archive {
    /// It is large, and goes from hand to hand.
    zip: Box<ZipWriter<File>>,
    bytes: u64,
}

impl Archive {
    fn begin() -> io::Result<Self> {
        Ok(Self {
            zip: Box::new(ZipWriter::new(tempfile::tempfile()?)),
            bytes: 0,
        })
    }

    fn file(&mut self, name: &str) -> io::Result<()> {
        let large = SimpleFileOptions::default().large_file(true);
        self.zip.start_file(name, large).map_err(io::Error::other)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.bytes += text.len() as u64;
        if self.bytes > MAX_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.zip.write_all(text)
    }

    fn finish(self) -> io::Result<File> {
        let mut file = self.zip.finish().map_err(io::Error::other)?;
        file.rewind()?;
        Ok(file)
    }
}

/// Everything that the host and the plugins keep of an account.
pub(super) async fn archive(http: &Http, account: &Account) -> Result<Chunks, Problem> {
    let room = Room::take(account.id)?;
    let place = PLACES.acquire().await;
    let accounts = &http.accounts;
    let mut archive = blocking(Archive::begin).await?;
    let sessions = list(&accounts.sessions(account.id).await?, None);
    let held = accounts.tokens(account.id).await?;
    let held: Vec<Value> = held.iter().map(tokens::described).collect();
    let (known, factors) = remembered(&accounts.remembered(account).await?);
    for (name, value) in [
        ("account.json", routes::auth::account(account)),
        ("known.json", known),
        ("factors.json", factors),
        ("mails.json", mails(&accounts.undelivered(account).await?)),
        ("sessions.json", sessions),
        ("tokens.json", json!({ "items": held })),
        ("passkeys.json", passkeys::list(&accounts.passkeys(account.id).await?)),
        ("identities.json", identities(&accounts.identities(account.id).await?)),
    ] {
        archive = blocking(move || {
            archive.file(name)?;
            archive.write(&serde_json::to_vec_pretty(&value)?)?;
            Ok(archive)
        })
        .await?;
    }
    archive = activity(http, account, archive).await?;
    archive = documents(http, account, archive).await?;
    archive = buckets(http, account, archive).await?;
    let file = blocking(move || archive.finish()).await?;
    drop(place);
    Ok(chunks(file, room))
}

/// From where somebody logs in, and what a login asks for beside the password and passkeys.
fn remembered(remembered: &Remembered) -> (Value, Value) {
    let known = remembered.known.iter();
    let known: Vec<Value> = known
        .map(|known| {
            json!({
                "network": known.network,
                "place": known.place,
                "user_agent": known.agent,
                "since": (known.since_ms > 0).then(|| render::time(known.since_ms)),
            })
        })
        .collect();
    let failed = remembered.failed_ms.iter().map(|at_ms| render::time(*at_ms));
    (
        json!({ "items": known, "failed_logins": failed.collect::<Vec<_>>() }),
        json!({ "totp": remembered.has_totp, "recovery_codes": remembered.recovery_codes }),
    )
}

/// The mails that wait. Their links and codes are left out: whoever has a session is not by that one who reads the mail.
fn mails(undelivered: &[Undelivered]) -> Value {
    let items = undelivered.iter().map(|letter| {
        let client = letter.mail.client.as_ref();
        json!({
            "to": letter.mail.to,
            "about": letter.mail.about,
            "address": client.and_then(|client| client.address),
            "user_agent": client.and_then(|client| client.agent.as_deref()),
            "created_at": render::time(letter.made_ms),
            "attempts": letter.attempts,
            "state": if letter.is_dead { "dead" } else { "waiting" },
        })
    });
    json!({ "items": items.collect::<Vec<_>>() })
}

async fn activity(http: &Http, account: &Account, archive: Archive) -> Result<Archive, Problem> {
    let mut array = Array::begin(archive, "activity.json".to_owned()).await?;
    let mut behind = None;
    loop {
        let events = http.accounts.activity(account.id, behind, MAX_EVENTS).await?;
        let texts = events
            .iter()
            .map(|event| account_routes::event(event).to_string().into_bytes());
        array = array.add(texts.collect()).await?;
        behind = events.last().map(|event| event.id);
        if events.len() < MAX_EVENTS {
            return array.end().await;
        }
    }
}

async fn documents(http: &Http, account: &Account, mut archive: Archive) -> Result<Archive, Problem> {
    let state = http.dispatch.catalogue().current();
    for collection in state.collections() {
        let mut array = Array::begin(archive, format!("documents/{}.json", collection.name())).await?;
        let mut behind = None;
        loop {
            let found = erasure::owned(http.dispatch.engine(), collection.name(), account.id, behind).await;
            let found = found.map_err(unavailable)?;
            let shown = found.documents.into_iter().map(|document| {
                let shown = collection.without_write_only(document).ok_or_else(Problem::internal)?;
                Ok(render::document(&shown))
            });
            array = array.add(shown.collect::<Result<_, Problem>>()?).await?;
            behind = found.last;
            if behind.is_none() {
                break;
            }
        }
        archive = array.end().await?;
    }
    Ok(archive)
}

async fn buckets(http: &Http, account: &Account, mut archive: Archive) -> Result<Archive, Problem> {
    let engine = http.dispatch.engine();
    for plugin in erasure::plugins_with_buckets(engine).await.map_err(unavailable)? {
        let mut array = Array::begin(archive, format!("buckets/{plugin}.json")).await?;
        let mut behind = None;
        loop {
            let found = erasure::bucket(engine, &plugin, account.id, behind).await;
            let found = found.map_err(unavailable)?;
            let entries = found.entries.into_iter();
            let texts = entries.map(|(key, value)| entry(&key, &value).to_string().into_bytes());
            array = array.add(texts.collect()).await?;
            behind = found.last;
            if behind.is_none() {
                break;
            }
        }
        archive = array.end().await?;
    }
    Ok(archive)
}

/// An entry of a bucket: as text where it is some.
fn entry(key: &str, value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(text) => json!({ "key": key, "value": text }),
        Err(_) => json!({ "key": key, "base64": BASE64.encode(value) }),
    }
}

fn unavailable(ended: Ended) -> Problem {
    tracing::error!(target: "http", %ended, "an archive can't be made");
    crate::dispatch::Failure::Unavailable.into()
}

/// A JSON array that is written bit by bit.
struct Array {
    archive: Archive,
    is_empty: bool,
}

impl Array {
    async fn begin(mut archive: Archive, name: String) -> Result<Self, Problem> {
        blocking(move || {
            archive.file(&name)?;
            archive.write(b"[")?;
            Ok(Self {
                archive,
                is_empty: true,
            })
        })
        .await
    }

    async fn add(mut self, items: Vec<Vec<u8>>) -> Result<Self, Problem> {
        blocking(move || {
            for item in items {
                self.archive.write(if self.is_empty { b"\n" } else { b",\n" })?;
                self.archive.write(&item)?;
                self.is_empty = false;
            }
            Ok(self)
        })
        .await
    }

    async fn end(mut self) -> Result<Archive, Problem> {
        blocking(move || {
            self.archive.write(b"\n]\n")?;
            Ok(self.archive)
        })
        .await
    }
}

/// Writes where that holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Problem> {
    let failed = |error: io::Error| {
        // Not what the system says of a file that it lets grow no further.
        if error.kind() == io::ErrorKind::FileTooLarge && error.raw_os_error().is_none() {
            let detail = "the archive would have more than 1 GiB: ask whoever runs this host for a copy of your data";
            return Problem::new(StatusCode::INSUFFICIENT_STORAGE, "archive_too_large", detail);
        }
        tracing::error!(target: "http", %error, "an archive can't be made");
        Problem::internal()
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(failed)
}

/// Sends an archive. A task of its own has file and room: a body from which nobody takes anything would not see the time pass.
fn chunks(file: File, room: impl Send + 'static) -> Chunks {
    let (sender, chunks) = mpsc::channel(1);
    tokio::spawn(async move {
        let _room = room;
        if tokio::time::timeout(SENT_WITHIN, send(file, sender)).await.is_err() {
            tracing::info!(target: "http", "an archive was not taken in time");
        }
    });
    Box::pin(stream::try_unfold(chunks, |mut chunks| async move {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the archive was not taken in time");
        let chunk: Bytes = chunks.recv().await.ok_or_else(late)??;
        Ok((!chunk.is_empty()).then_some((chunk, chunks)))
    }))
}

/// Sends a file, and an empty chunk behind it: without that, what was broken off could be taken for the whole.
async fn send(file: File, to: mpsc::Sender<io::Result<Bytes>>) {
    let mut file = tokio::fs::File::from_std(file);
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let read = file.read_buf(&mut chunk).await;
        let is_last = !matches!(read, Ok(1..));
        let is_gone = to.send(read.map(|_| chunk.freeze())).await.is_err();
        if is_last || is_gone {
            return;
        }
    }
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
