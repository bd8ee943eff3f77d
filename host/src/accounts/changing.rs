//! Who may change the second factors of an account: one who has just used one of them, where it has any. A password that
//! somebody has found out takes none away.

use super::account::Record;
use super::error::Error;
use super::factor::Factors;
use super::login::Login;
use super::method::Method;
use super::session::Session;
use super::store::Work;
use super::{Accounts, Identity};

/// One who acts, with the second factors that are about to change.
pub(super) struct Changing {
    pub(super) record: Record,
    /// The digest of the token of the session.
    pub(super) digest: [u8; 32],
    session: Session,
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

    /// Notes that a second factor was used with which the account is guarded from now on. The session may do more than before,
    /// so it has another token.
    pub(super) fn keep_proof(&self, work: &mut Work, changing: Changing, method: Method) -> Result<Login, Error> {
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
