//! Logging in with a password, proving again who one is, and changing the password.

use std::str::FromStr as _;

use super::account::{Account, Record};
use super::activity::{Act, Event, Subject};
use super::address::Address;
use super::challenge::Challenge;
use super::changing::Changing;
use super::error::Error;
use super::flow::Acting;
use super::hashing::Verified;
use super::judging::OF_KNOWN;
use super::method::Method;
use super::passkeys::PasskeyAnswer;
use super::session::{Client, Session, Token};
use super::store::{self, Work};
use super::{Accounts, Identity};
use crate::storage::keyspace::accounts as keys;

/// A session that begins.
#[derive(Debug)]
pub struct Login {
    /// Who logged in.
    pub account: Account,
    /// The session.
    pub session: Session,
    /// Its secret, which is shown this once.
    pub token: Token,
}

/// What a proved first factor comes to.
#[derive(Debug)]
pub enum LoggedIn {
    /// A session.
    Session(Box<Login>),
    /// A question for a second factor.
    SecondFactor(Challenge),
}

/// What somebody proves with that they are still the one who has logged in.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'p> {
    /// The password.
    Password(&'p str),
    /// A code of the second factor.
    Code(Method, &'p str),
    /// What a browser answers with a passkey.
    Passkey(&'p PasskeyAnswer),
}

impl Proof<'_> {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Password(_) => Method::Password,
            Self::Code(method, _) => method,
            Self::Passkey(_) => Method::Passkey,
        }
    }

    /// What is said of a wrong one.
    pub(super) fn refusal(self) -> Error {
        match self {
            Self::Password(_) => Error::BadCredentials,
            Self::Code(..) => Error::BadCode,
            Self::Passkey(_) => Error::BadPasskey,
        }
    }
}

impl Accounts {
    /// Logs in one who knows the password. Whatever is wrong, a password is verified once, as much is written, and the
    /// answer is the same: nobody learns so who has an account.
    pub async fn login(&self, address: &str, password: &str, client: &Client) -> Result<LoggedIn, Error> {
        let normal = Address::from_str(address).ok();
        let known = match &normal {
            Some(address) => self.find(address).await?,
            None => None,
        };
        let subject = known.as_ref().map_or_else(
            || Subject::stranger(normal.as_ref().map_or(address, Address::as_str)),
            |known| Subject::Account(known.account.clone()),
        );
        let budget = known.as_ref().map_or(subject.id(), Record::budget);
        self.may_try(budget, &subject, Method::Password, client).await?;
        let stored = known
            .as_ref()
            .filter(|known| !known.account.is_locked)
            .and_then(|known| known.password.as_deref());
        let verified = self.hasher.verify(password, stored).await?;
        let Some(known) = known.filter(|_| verified != Verified::No) else {
            self.note_failure(&subject, (Act::Login, Method::Password), client)
                .await?;
            return Err(Error::BadCredentials);
        };
        store::again(|| async {
            let mut work = self.begin();
            let record: Option<Record> = work.read(&keys::record(known.account.id)).await?;
            // What was verified a moment ago may have been taken back meanwhile.
            let record = record.filter(|record| !record.account.is_locked && record.password == known.password);
            let mut record = record.ok_or(Error::BadCredentials)?;
            if let Verified::Outdated(renewed) = &verified {
                record.password = Some(renewed.clone());
                work.write(keys::record(record.account.id), &record, None)?;
            }
            let passed = self.pass(&mut work, &record, Method::Password, client).await?;
            work.commit().await?;
            Ok(passed)
        })
        .await
    }

    /// Begins a session for one who has proved all that is asked for.
    pub(super) async fn start_session(
        &self,
        work: &mut Work,
        account: &Account,
        last: Method,
        client: &Client,
    ) -> Result<Login, Error> {
        let now_ms = self.clock.now_ms();
        let mut session = Session::new(account.id, client.clone(), now_ms, &self.config.sessions);
        session.prove(last, now_ms);
        let token = self.add_session(work, &session).await?;
        self.note_login(work, account, &session, last).await?;
        Ok(Login {
            account: account.clone(),
            session,
            token,
        })
    }

    /// Proves once more who acts, so that for a few minutes the session may do what is delicate. It has another token then.
    pub async fn reauthenticate(&self, identity: &Identity, proof: Proof<'_>, client: &Client) -> Result<Login, Error> {
        let (known, ..) = store::again(|| async { self.acting(&mut self.begin(), identity).await }).await?;
        let subject = Subject::Account(known.account.clone());
        let method = proof.method();
        // Nobody guesses what a passkey signs: it is counted when it is known whether it is right.
        let is_guessed = !matches!(proof, Proof::Passkey(_));
        if is_guessed {
            self.may_try(known.budget(), &subject, method, client).await?;
        }
        if let Proof::Code(..) = proof {
            self.may_try_code(&subject, method, client).await?;
        }
        let verified = match proof {
            Proof::Password(password) => self.hasher.verify(password, known.password.as_deref()).await? != Verified::No,
            Proof::Code(..) | Proof::Passkey(_) => true,
        };
        let login = match verified {
            true => store::again(|| self.prove(identity, &known, proof, client)).await,
            false => Ok(None),
        };
        let login = self.note_if_held_back(login, &subject, method, client).await?;
        if login.is_none() {
            if !is_guessed {
                self.may_try(known.budget(), &subject, method, client).await?;
            }
            self.note_failure(&subject, (Act::Reauthentication, method), client)
                .await?;
        }
        login.ok_or(proof.refusal())
    }

    async fn prove(
        &self,
        identity: &Identity,
        known: &Record,
        proof: Proof<'_>,
        client: &Client,
    ) -> Result<Option<Login>, Error> {
        let mut work = self.begin();
        let (record, digest, mut session) = self.acting(&mut work, identity).await?;
        let account = record.account;
        let now_ms = self.clock.now_ms();
        match proof {
            Proof::Password(_) if record.password != known.password => return Ok(None),
            Proof::Password(_) => {}
            proof => {
                let mut factors = self.factors(&mut work, account.id).await?;
                let taken = self.take(&mut work, &digest, (account.id, &mut factors), proof, client);
                if !taken.await? {
                    // What a passkey was asked with is used up all the same.
                    work.commit().await?;
                    return Ok(None);
                }
                work.write(keys::factors(account.id), &factors, None)?;
            }
        }
        session.prove(proof.method(), now_ms);
        let token = self.renew_token(&mut work, &digest, &session)?;
        let event = Event::new(Act::Reauthentication, Some(proof.method()), true, client, now_ms);
        self.note(&mut work, account.id, &event)?;
        work.commit().await?;
        Ok(Some(Login {
            account,
            session,
            token,
        }))
    }

    /// Sets another password, and ends the other sessions of the account. It must have been proved a short while ago who
    /// acts. The session has another token then.
    pub async fn change_password(&self, identity: &Identity, new: &str, client: &Client) -> Result<Login, Error> {
        self.require_recent_by_all(identity).await?;
        self.attempts.act(identity.account.id)?;
        let hash = self.hash_new(&identity.account, new, &OF_KNOWN).await?;
        store::again(|| async {
            let mut work = self.begin();
            // Much may have happened while the password was sent and hashed.
            let Changing {
                mut record,
                digest,
                session,
                ..
            } = self.changing_factors(&mut work, identity).await?;
            self.put_password(&mut work, &mut record, &hash).await?;
            let done = (Act::PasswordChanged, Some(session.id));
            self.set_password(&mut work, &record, done, client).await?;
            let token = self.renew_token(&mut work, &digest, &session)?;
            work.commit().await?;
            Ok(Login {
                account: record.account,
                session,
                token,
            })
        })
        .await
    }

    /// The account and the session of one who acts, as they are now: whoever holds the session may have lost it, and whoever
    /// has only a token from before has.
    pub(super) async fn acting(
        &self,
        work: &mut Work,
        identity: &Identity,
    ) -> Result<(Record, [u8; 32], Session), Error> {
        self.acting_through(work, &identity.acting()).await
    }

    /// The same of one who has begun something before.
    pub(super) async fn acting_through(
        &self,
        work: &mut Work,
        acting: &Acting,
    ) -> Result<(Record, [u8; 32], Session), Error> {
        let digest = work.read(&keys::session_of(acting.account, acting.session)).await?;
        let digest = digest.filter(|digest: &[u8; 32]| *digest == acting.token);
        let digest = digest.ok_or(Error::SessionEnded)?;
        let session = work.read(&keys::session(&digest)).await?.ok_or(Error::SessionEnded)?;
        let record: Option<Record> = work.read(&keys::record(acting.account)).await?;
        let record = record.filter(|record| !record.account.is_locked);
        Ok((record.ok_or(Error::SessionEnded)?, digest, session))
    }

    /// The same of one who has proved a short while ago who they are.
    pub(super) async fn recent_session(
        &self,
        work: &mut Work,
        identity: &Identity,
    ) -> Result<(Record, [u8; 32], Session), Error> {
        let (record, digest, session) = self.acting(work, identity).await?;
        match session.is_recent(self.clock.now_ms(), &self.config.sessions) {
            true => Ok((record, digest, session)),
            false => Err(Error::NotRecent),
        }
    }

    /// Checks that it was proved a short while ago who acts.
    pub fn require_recent(&self, identity: &Identity) -> Result<(), Error> {
        let is_recent = identity.session.is_recent(self.clock.now_ms(), &self.config.sessions);
        if is_recent { Ok(()) } else { Err(Error::NotRecent) }
    }

    /// The account with an address.
    pub(super) async fn find(&self, address: &Address) -> Result<Option<Record>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let known = match work.read(&keys::address(address.as_str())).await? {
                Some(id) => work.read(&keys::record(id)).await?,
                None => None,
            };
            work.commit().await?;
            Ok(known)
        })
        .await
    }
}
