//! What happened to an account: each attempt to log in, and each change of how its owner is known. It is only appended to,
//! and forgotten after a while. Its owner reads it, and is told by mail of what they should know at once.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Accounts;
use super::account::Account;
use super::attempts::Familiarity;
use super::error::Error;
use super::link::Deed;
use super::mail::{self, About, Link, Mail};
use super::method::Method;
use super::session::{self, Client, Session};
use super::store::{self, Work};
use super::watch::{Origin, Watch};
use crate::storage::engine::Direction;
use crate::storage::keyspace::accounts as keys;

/// The most events of one page.
pub const MAX_EVENTS: usize = 200;
const DAY_MS: u64 = 24 * 60 * 60_000;
/// How long a link that ends sessions does so.
const END_MINUTES: u64 = 7 * 24 * 60;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Somebody logged in, or tried to.
    Login,
    /// An attempt was held back, as there had been too many of late. Where very many are, it is written once a minute.
    HeldBack,
    /// Somebody who knew the password was asked for a second factor.
    SecondFactorAsked,
    /// The owner proved again who they are, or somebody failed to.
    Reauthentication,
    /// The password was changed.
    PasswordChanged,
    /// The password was set through a link in a mail.
    PasswordReset,
    /// A second factor was added.
    FactorAdded,
    /// A second factor was removed.
    FactorRemoved,
    /// The recovery codes were replaced.
    RecoveryCodesRenewed,
    /// The counter of a passkey did not go on from where it was: there may be a copy of it.
    PasskeyCopied,
    /// An identity at a provider was linked.
    IdentityLinked,
    /// An identity at a provider was unlinked.
    IdentityUnlinked,
    /// A token for programs was made.
    TokenMade,
    /// A token for programs was ended.
    TokenEnded,
    /// Sessions were ended through a link in a mail.
    SessionsEnded,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// A UUID of version 7.
    pub id: Uuid,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    pub act: Act,
    /// How it was proved who it is, or was to be.
    pub method: Option<Method>,
    /// Whether it was done; `false` where it was refused.
    pub is_success: bool,
    /// Where it came from.
    pub client: Client,
}

impl Event {
    pub(super) fn new(act: Act, method: Option<Method>, is_success: bool, client: &Client, at_ms: u64) -> Self {
        Self {
            id: Uuid::now_v7(),
            at_ms,
            act,
            method,
            is_success,
            client: client.clone(),
        }
    }
}

/// Whom an attempt is about.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Account(Account),
    /// Nobody has the address. What is written of it is as much as for an account, and can't be read as an address.
    Stranger(Uuid),
}

impl Subject {
    /// One whom nobody knows, under the text that was given for an address.
    pub(super) fn stranger(text: &str) -> Self {
        Self::Stranger(session::half_digest(text))
    }

    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Account(account) => account.id,
            Self::Stranger(id) => *id,
        }
    }
}

impl Accounts {
    /// What happened to an account, the newest first, behind an event.
    pub async fn activity(&self, account: Uuid, behind: Option<Uuid>, limit: usize) -> Result<Vec<Event>, Error> {
        let behind = behind.map(|event| keys::event(account, event));
        store::again(|| async {
            let mut work = self.begin();
            let limit = limit.min(MAX_EVENTS);
            let rows = work
                .scan_towards(&keys::events(account), behind.as_ref(), limit, Direction::Backward)
                .await?;
            work.commit().await?;
            rows.iter().map(|(_, value)| store::decode(value)).collect()
        })
        .await
    }

    /// Writes down what happened.
    pub(super) fn note(&self, work: &mut Work, about: Uuid, event: &Event) -> Result<(), Error> {
        let forgotten_ms = event.at_ms + u64::from(self.config.activity.days) * DAY_MS;
        work.write(keys::event(about, event.id), event, Some(forgotten_ms))
    }

    /// What is remembered of who logs in.
    pub(super) async fn watch(&self, work: &mut Work, about: Uuid) -> Result<Watch, Error> {
        Ok(work.read(&keys::watch(about)).await?.unwrap_or_default())
    }

    /// How well it is known from where a client comes.
    pub(super) async fn familiarity(&self, about: Uuid, client: &Client) -> Result<Familiarity, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let watch = self.watch(&mut work, about).await?;
            work.commit().await?;
            Ok(watch.familiarity(client))
        })
        .await
    }

    /// Lets somebody try to log in, with what is counted under `budget`.
    pub(super) async fn may_try(
        &self,
        budget: Uuid,
        subject: &Subject,
        method: Method,
        client: &Client,
    ) -> Result<(), Error> {
        let familiarity = self.familiarity(subject.id(), client).await?;
        let passed = self.attempts.login(budget, client, familiarity);
        self.note_if_held_back(passed, subject, method, client).await
    }

    /// Lets somebody try a code.
    pub(super) async fn may_try_code(&self, subject: &Subject, method: Method, client: &Client) -> Result<(), Error> {
        let familiarity = self.familiarity(subject.id(), client).await?;
        let passed = self.attempts.code(subject.id(), client, familiarity);
        self.note_if_held_back(passed, subject, method, client).await
    }

    /// Writes down that somebody failed to prove who they are; the owner is told where it is often.
    pub(super) async fn note_failure(
        &self,
        subject: &Subject,
        (act, method): (Act, Method),
        client: &Client,
    ) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            self.fail(&mut work, subject, (act, method), client).await?;
            work.commit().await
        })
        .await
    }

    /// The same, with what else the work writes.
    pub(super) async fn fail(
        &self,
        work: &mut Work,
        subject: &Subject,
        (act, method): (Act, Method),
        client: &Client,
    ) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let event = Event::new(act, Some(method), false, client, now_ms);
        let subject = self.still(work, subject).await?;
        let mut watch = self.watch(work, subject.id()).await?;
        let is_told = watch.fail(now_ms);
        match subject {
            Subject::Account(account) => {
                self.note(work, account.id, &event)?;
                if is_told {
                    let link = self.link_that_ends(work, account.id, None)?;
                    self.tell(work, &account, About::ManyFailures, Some(link)).await?;
                }
                work.write(keys::watch(account.id), &watch, None)
            }
            // As many writes, but nobody reads them.
            Subject::Stranger(id) => {
                work.write(keys::event(id, event.id), &event, Some(now_ms + DAY_MS))?;
                work.write(keys::watch(id), &watch, Some(now_ms + DAY_MS))
            }
        }
    }

    /// Whom an attempt is about by now: what is written of an account that is on its way out would be left behind.
    async fn still(&self, work: &mut Work, subject: &Subject) -> Result<Subject, Error> {
        Ok(match subject {
            Subject::Account(account) if self.is_being_erased(work, account.id).await? => {
                Subject::stranger(account.address.as_str())
            }
            subject => subject.clone(),
        })
    }

    /// What the budgets say of an attempt; where they hold it back, that is written down, as much for those whom nobody knows.
    pub(super) async fn note_if_held_back<T>(
        &self,
        passed: Result<T, Error>,
        subject: &Subject,
        method: Method,
        client: &Client,
    ) -> Result<T, Error> {
        let held_back = matches!(passed, Err(Error::TooManyAttempts { .. }));
        if held_back && self.attempts.is_held_back_told(subject.id(), client) {
            store::again(|| async {
                let mut work = self.begin();
                let now_ms = self.clock.now_ms();
                let event = Event::new(Act::HeldBack, Some(method), false, client, now_ms);
                match self.still(&mut work, subject).await? {
                    Subject::Account(account) => self.note(&mut work, account.id, &event)?,
                    Subject::Stranger(id) => work.write(keys::event(id, event.id), &event, Some(now_ms + DAY_MS))?,
                }
                work.commit().await
            })
            .await?;
        }
        passed
    }

    /// Writes down that a session begins; the owner is told where it comes from a new device or network.
    pub(super) async fn note_login(
        &self,
        work: &mut Work,
        account: &Account,
        session: &Session,
        method: Method,
    ) -> Result<(), Error> {
        let (client, now_ms) = (&session.client, session.made_ms);
        let event = Event::new(Act::Login, Some(method), true, client, now_ms);
        self.note(work, account.id, &event)?;
        let mut watch = self.watch(work, account.id).await?;
        let origin = watch.origin(client, now_ms);
        if watch.learn(client, now_ms) {
            let link = self.link_that_ends(work, account.id, Some(origin))?;
            let mut mail = Mail::to(account, About::NewLogin, Some(link));
            mail.client = Some(client.clone());
            mail::send(work, &mail, now_ms).await?;
        }
        work.write(keys::watch(account.id), &watch, None)
    }

    /// Remembers where somebody comes from who has shown that the account's mail is theirs.
    pub(super) async fn remember(&self, work: &mut Work, account: Uuid, client: &Client) -> Result<(), Error> {
        let mut watch = self.watch(work, account).await?;
        watch.learn(client, self.clock.now_ms());
        work.write(keys::watch(account), &watch, None)
    }

    /// Forgets that somebody has logged in to an account from there, or from anywhere: whoever comes from there has another mail
    /// written to its owner.
    pub(super) async fn forget(&self, work: &mut Work, account: Uuid, from: Option<&Origin>) -> Result<(), Error> {
        let mut watch = self.watch(work, account).await?;
        watch.forget(from);
        work.write(keys::watch(account), &watch, None)
    }

    /// A link that ends the sessions of an account that came from there, or all of them.
    pub(super) fn link_that_ends(&self, work: &mut Work, account: Uuid, from: Option<Origin>) -> Result<Link, Error> {
        let deed = Deed::End { account, from };
        self.link(work, "/account/end-session", &deed, END_MINUTES)
    }

    /// Mails the owner of an account.
    pub(super) async fn tell(
        &self,
        work: &mut Work,
        account: &Account,
        about: About,
        link: Option<Link>,
    ) -> Result<(), Error> {
        mail::send(work, &Mail::to(account, about, link), self.clock.now_ms()).await
    }
}
