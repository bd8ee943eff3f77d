//! Proving with a passkey who one is: as the only factor, since it asks its owner for a finger or a PIN, as the second one, and
//! again within a session.

use serde_json::Value;
use uuid::Uuid;

use super::Passkey;
use super::ceremony::State;
use super::relying_party::{Checked, PasskeyAnswer};
use crate::accounts::account::Record;
use crate::accounts::activity::{Act, Event, Subject};
use crate::accounts::error::Error;
use crate::accounts::factor::Factors;
use crate::accounts::login::Login;
use crate::accounts::method::Method;
use crate::accounts::session::{self, Client, Token};
use crate::accounts::store::{self, Work};
use crate::accounts::{Accounts, Identity};
use crate::storage::keyspace::accounts as keys;

impl Accounts {
    /// Asks for any passkey. The answer names the token.
    pub fn ask_passkey(&self) -> Result<(Token, Value), Error> {
        let (options, state) = self.relying_party()?.ask(&[])?;
        Ok((self.hand_out_ceremony(state)?, options))
    }

    /// Asks for a passkey of the account whose login waits for a second factor.
    pub async fn ask_passkey_as_second(&self, challenge: &str) -> Result<Value, Error> {
        self.relying_party()?;
        let digest = session::digest(challenge);
        store::again(|| async {
            let mut work = self.begin();
            let account = self.waiting(&mut work, &digest).await?;
            self.ask_passkey_of(work, &digest, account).await
        })
        .await
    }

    /// Asks for a passkey of the one who acts.
    pub async fn ask_passkey_again(&self, identity: &Identity) -> Result<Value, Error> {
        self.relying_party()?;
        store::again(|| async {
            let mut work = self.begin();
            let (record, digest, _) = self.acting(&mut work, identity).await?;
            self.ask_passkey_of(work, &digest, record.account.id).await
        })
        .await
    }

    async fn ask_passkey_of(&self, mut work: Work, digest: &[u8; 32], account: Uuid) -> Result<Value, Error> {
        let factors = self.factors(&mut work, account).await?;
        if factors.passkeys.is_empty() {
            return Err(Error::Conflict("the account has no passkey: prove it in another way"));
        }
        let (options, state) = self.relying_party()?.ask(&factors.passkeys)?;
        self.keep_ceremony(&mut work, digest, account, State::Assertion(state))?;
        work.commit().await?;
        Ok(options)
    }

    /// Logs in one who has a passkey. Whatever is wrong, as much is written, and the answer is the same: nobody learns so who
    /// has an account. A key is tried only by one who knows its id, which tells no more.
    pub async fn login_passkey(&self, token: &str, answer: &PasskeyAnswer, client: &Client) -> Result<Login, Error> {
        self.relying_party()?;
        let owner = answer.owner().unwrap_or_default();
        let known: Option<Record> = store::again(|| async { self.begin().read(&keys::record(owner)).await }).await?;
        let subject = subject(known.as_ref(), owner);
        let tried = store::again(|| self.try_login_passkey(token, owner, answer, client)).await;
        let tried = self.note_if_held_back(tried, &subject, Method::Passkey, client).await?;
        if let Some(login) = tried {
            return Ok(login);
        }
        // What is wrong is counted when that is known: nobody guesses what a passkey signs, so whoever tries keeps nobody from
        // using theirs.
        let budget = known.as_ref().map_or(subject.id(), Record::budget);
        self.may_try(budget, &subject, Method::Passkey, client).await?;
        self.note_failure(&subject, (Act::Login, Method::Passkey), client)
            .await?;
        Err(Error::BadPasskey)
    }

    async fn try_login_passkey(
        &self,
        token: &str,
        owner: Uuid,
        answer: &PasskeyAnswer,
        client: &Client,
    ) -> Result<Option<Login>, Error> {
        let mut work = self.begin();
        let state = self.take_back_ceremony(&mut work, token).await?;
        let record: Option<Record> = work.read(&keys::record(owner)).await?;
        let mut factors = self.factors(&mut work, owner).await?;
        let may = record.as_ref().filter(|record| !record.account.is_locked);
        let is_right = may.is_some() && self.check_passkey(&mut work, (owner, &mut factors), state, answer, client)?;
        let Some(record) = may.filter(|_| is_right) else {
            // What it was asked with is used up all the same.
            work.commit().await?;
            return Ok(None);
        };
        work.write(keys::factors(owner), &factors, None)?;
        let login = self.start_session(&mut work, &record.account, Method::Passkey, client);
        let login = login.await?;
        work.commit().await?;
        Ok(Some(login))
    }

    /// Takes the answer of a passkey to what was asked under a token: that is gone with the commit. Whether it is right.
    pub(in crate::accounts) async fn take_passkey(
        &self,
        work: &mut Work,
        digest: &[u8; 32],
        (account, factors): (Uuid, &mut Factors),
        answer: &PasskeyAnswer,
        client: &Client,
    ) -> Result<bool, Error> {
        self.relying_party()?;
        let state = self.take_ceremony(work, digest, account).await?;
        // Where it says whose it is, it must be true.
        if answer.owner().is_some_and(|owner| owner != account) {
            return Ok(false);
        }
        self.check_passkey(work, (account, factors), state, answer, client)
    }

    /// Whether one of the passkeys has signed. Its counter has moved on then, which is to be written with what comes of it.
    fn check_passkey(
        &self,
        work: &mut Work,
        (account, factors): (Uuid, &mut Factors),
        state: State,
        answer: &PasskeyAnswer,
        client: &Client,
    ) -> Result<bool, Error> {
        let State::Assertion(state) = state else {
            return Ok(false);
        };
        let is_it = |passkey: &&mut Passkey| passkey.key.cred_id().as_slice() == answer.credential();
        let Some(passkey) = factors.passkeys.iter_mut().find(is_it) else {
            return Ok(false);
        };
        let now_ms = self.clock.now_ms();
        let checked = self.relying_party()?.check(answer, &state, &mut passkey.key);
        if let Checked::Right | Checked::Copied = checked {
            // Only whoever holds the key comes this far.
            self.attempts.passkey(account)?;
        }
        match checked {
            Checked::Right => {
                passkey.used_ms = Some(now_ms);
                Ok(true)
            }
            Checked::Wrong => Ok(false),
            Checked::Copied => {
                let event = Event::new(Act::PasskeyCopied, Some(Method::Passkey), false, client, now_ms);
                self.note(work, account, &event)?;
                Ok(false)
            }
        }
    }
}

/// Whom an attempt is about that names an account.
fn subject(known: Option<&Record>, named: Uuid) -> Subject {
    match known {
        Some(record) => Subject::Account(record.account.clone()),
        None => Subject::stranger(&named.to_string()),
    }
}
