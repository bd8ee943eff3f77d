//! Who may change how an account is known: one who has just used a second factor, where it has any. A password that somebody
//! has found out takes none away.

use super::account::Record;
use super::error::Error;
use super::factor::Factors;
use super::login::Login;
use super::method::Method;
use super::session::Session;
use super::store::{self, Work};
use super::{Accounts, Identity};

/// One who acts, with the second factors that are about to change.
pub(super) struct Changing {
    pub(super) record: Record,
    /// The digest of the token of the session.
    pub(super) digest: [u8; 32],
    pub(super) session: Session,
    pub(super) factors: Factors,
}

impl Accounts {
    /// The account that acts, as it is now.
    pub(super) async fn changing_factors(&self, work: &mut Work, identity: &Identity) -> Result<Changing, Error> {
        let (record, digest, session) = self.recent_session(work, identity).await?;
        let factors = self.factors(work, record.account.id).await?;
        match !factors.is_on() || session.is_recent_by_second(self.clock.now_ms(), &self.config.sessions) {
            true => Ok(Changing {
                record,
                digest,
                session,
                factors,
            }),
            false => Err(Error::NotRecentBySecond),
        }
    }

    /// Checks that it was proved a short while ago who acts: with a second factor where there is one, or must be one.
    pub async fn require_recent_by_all(&self, identity: &Identity) -> Result<(), Error> {
        let changing = store::again(|| async { self.changing_factors(&mut self.begin(), identity).await }).await?;
        let is_used = changing.session.second_ms.is_some();
        self.require_second(changing.record.account.roles.iter(), is_used)
    }

    /// What follows from one second factor less: recovery codes stand in for nothing once there is none. A short password keeps
    /// the last one, and so does an account that must have one.
    pub(super) fn check_removed(&self, record: &Record, factors: &mut Factors) -> Result<(), Error> {
        if factors.is_on() {
            return Ok(());
        }
        if self.require_second(record.account.roles.iter(), false).is_err() {
            return Err(Error::Conflict(
                "the account must have a second factor: add another one before this one goes",
            ));
        }
        if record.is_short {
            return Err(Error::Conflict(
                "the password is too short for one without a second factor: set a longer one first",
            ));
        }
        factors.recovery.clear();
        Ok(())
    }

    /// Notes that a second factor was used with which the account is guarded from now on. The session may do more than before,
    /// so it has another token.
    pub(super) fn renew_with_proof(&self, work: &mut Work, changing: Changing, method: Method) -> Result<Login, Error> {
        let Changing {
            record,
            digest,
            mut session,
            ..
        } = changing;
        session.prove(method, self.clock.now_ms());
        let token = self.renew_token(work, &digest, &session)?;
        Ok(Login {
            account: record.account,
            session,
            token,
        })
    }
}
