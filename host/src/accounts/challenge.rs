//! Between the password and the second factor: a challenge that is answered once, within minutes.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Accounts;
use super::account::Record;
use super::activity::{Act, Event, Subject};
use super::error::Error;
use super::login::{LoggedIn, Login, Proof};
use super::mail::{self, About, CODE_MINUTES, Mail};
use super::method::Method;
use super::session::{self, Client, Token};
use super::store::{self, Work};
use crate::storage::keyspace::accounts as keys;

/// How long a challenge waits.
const MINUTES: u64 = CODE_MINUTES;
/// How often a wrong answer is taken before the password is asked for again.
const MAX_WRONG: u32 = 5;
/// The digits of a mailed code.
const MAILED_DIGITS: u32 = 100_000_000;

/// What is asked of somebody who has proved the first factor.
#[derive(Debug)]
pub struct Challenge {
    /// What the answer names.
    pub token: Token,
    /// With what it can be answered.
    pub methods: Vec<Method>,
}

/// A challenge as it is stored.
#[derive(Serialize, Deserialize)]
struct Pending {
    account: Uuid,
    /// The password that was right: another one ends the challenge.
    password: Option<String>,
    methods: Vec<Method>,
    /// The digest of a code that was mailed.
    mailed: Option<[u8; 32]>,
    wrong: u32,
    ends_ms: u64,
}

impl Accounts {
    /// What comes of a proved first factor: a session, or a challenge where a second one is on.
    pub(super) async fn pass(
        &self,
        work: &mut Work,
        record: &Record,
        first: Method,
        client: &Client,
    ) -> Result<LoggedIn, Error> {
        let account = &record.account;
        let factors = self.factors(work, account.id).await?;
        let is_mailed = !factors.is_on() && self.config.second_factor.email_codes;
        if !factors.is_on() && !is_mailed {
            let login = self.start_session(work, account, first, client).await?;
            return Ok(LoggedIn::Session(Box::new(login)));
        }
        let mut pending = Pending {
            account: account.id,
            password: record.password.clone(),
            methods: factors.methods(),
            mailed: None,
            wrong: 0,
            ends_ms: self.clock.now_ms() + MINUTES * 60_000,
        };
        if is_mailed {
            let code = format!("{:08}", rand::random_range(0..MAILED_DIGITS));
            pending.methods = vec![Method::Email];
            pending.mailed = Some(session::digest(&code));
            let mut mail = Mail::to(account, About::Code, None);
            mail.code = Some(code);
            // Whoever has the password may ask for it as often as they may log in.
            mail::send(work, &mail, self.clock.now_ms()).await?;
        }
        let event = Event::new(Act::SecondFactorAsked, Some(first), true, client, self.clock.now_ms());
        self.note(work, account.id, &event)?;
        let token = Token::of_challenge()?;
        self.write_challenge(work, &session::digest(token.reveal()), &pending)?;
        Ok(LoggedIn::SecondFactor(Challenge {
            token,
            methods: pending.methods,
        }))
    }

    /// Answers a challenge with a code or a passkey.
    pub async fn answer(&self, token: &str, proof: Proof<'_>, client: &Client) -> Result<Login, Error> {
        let digest = session::digest(token);
        let (_, record) = store::again(|| async { self.pending(&mut self.begin(), &digest).await }).await?;
        let subject = Subject::Account(record.account);
        // Nobody guesses a recovery code or what a passkey signs, so whoever tries keeps nobody from using one.
        if !matches!(proof.method(), Method::Recovery | Method::Passkey) {
            self.may_try_code(&subject, proof.method(), client).await?;
        }
        let answered = store::again(|| self.try_answer(&digest, proof, client)).await;
        let answered = self
            .note_if_held_back(answered, &subject, proof.method(), client)
            .await?;
        answered.ok_or(proof.refusal())
    }

    /// A session where the answer is right. What is wrong is counted, so that is committed as well.
    async fn try_answer(&self, digest: &[u8; 32], proof: Proof<'_>, client: &Client) -> Result<Option<Login>, Error> {
        let mut work = self.begin();
        let (mut pending, record) = self.pending(&mut work, digest).await?;
        let account = &record.account;
        let mut factors = self.factors(&mut work, account.id).await?;
        // A second factor that was turned on since is asked for anew.
        if pending.mailed.is_some() && factors.is_on() {
            return Err(Error::ChallengeSpent);
        }
        let method = proof.method();
        let is_right = pending.methods.contains(&method)
            && match proof {
                Proof::Code(Method::Email, text) => pending.mailed == Some(session::digest(text.trim())),
                proof => {
                    self.take(&mut work, digest, (account.id, &mut factors), proof, client)
                        .await?
                }
            };
        if !is_right {
            pending.wrong += 1;
            match pending.wrong < MAX_WRONG {
                true => self.write_challenge(&mut work, digest, &pending)?,
                false => work.delete(keys::challenge(digest)),
            }
            let subject = Subject::Account(account.clone());
            self.fail(&mut work, &subject, (Act::Login, method), client).await?;
            work.commit().await?;
            return Ok(None);
        }
        work.delete(keys::challenge(digest));
        if method != Method::Email {
            work.write(keys::factors(account.id), &factors, None)?;
        }
        let login = self.start_session(&mut work, account, method, client).await?;
        work.commit().await?;
        Ok(Some(login))
    }

    /// A challenge and its account, as long as the first factor holds.
    async fn pending(&self, work: &mut Work, digest: &[u8; 32]) -> Result<(Pending, Record), Error> {
        let pending: Option<Pending> = work.read(&keys::challenge(digest)).await?;
        let pending = pending.ok_or(Error::ChallengeSpent)?;
        let record: Option<Record> = work.read(&keys::record(pending.account)).await?;
        let record = record.filter(|record| !record.account.is_locked && record.password == pending.password);
        Ok((pending, record.ok_or(Error::ChallengeSpent)?))
    }

    /// The account whose login waits for a passkey.
    pub(super) async fn waiting(&self, work: &mut Work, digest: &[u8; 32]) -> Result<Uuid, Error> {
        let (pending, record) = self.pending(work, digest).await?;
        match pending.methods.contains(&Method::Passkey) {
            true => Ok(record.account.id),
            false => Err(Error::Conflict(
                "this login goes on with no passkey: use one of its `methods`",
            )),
        }
    }

    fn write_challenge(&self, work: &mut Work, digest: &[u8; 32], pending: &Pending) -> Result<(), Error> {
        work.write(keys::challenge(digest), pending, Some(pending.ends_ms))
    }
}
