//! The first administrator: no account is there by default. Whoever starts the host gets a link that makes one.

use serde::{Deserialize, Serialize};

use super::Accounts;
use super::account::{Account, Record};
use super::address::Address;
use super::audit::By;
use super::error::Error;
use super::judging::OF_KNOWN;
use super::manage::check;
use super::session::{self, Token};
use super::store::{self, Work};
use crate::policy::ADMINISTRATOR;
use crate::storage::audit::Actor;
use crate::storage::keyspace::accounts as keys;

/// How long the link makes an administrator.
const MINUTES: u64 = 15;
/// The accounts that are looked at for an administrator, where nothing says that there was one.
const LOOKED_AT: usize = 500;

/// Where the setup stands.
#[derive(Serialize, Deserialize)]
pub(super) enum Setup {
    /// A link was given out: the digest of its token.
    Offered([u8; 32]),
    /// There is, or was, an administrator.
    Done,
}

impl Accounts {
    /// The path of a link that makes the first administrator, once and within 15 minutes; `None` where there was one. A
    /// link that was given out before does nothing any more.
    pub async fn offer_setup(&self) -> Result<Option<String>, Error> {
        let token = Token::of_link()?;
        store::again(|| async {
            let mut work = self.begin();
            if self.is_set_up(&mut work).await? {
                return Ok(None);
            }
            let expires_ms = self.clock.now_ms() + MINUTES * 60_000;
            let offered = Setup::Offered(session::digest(token.reveal()));
            work.write(keys::setup(), &offered, Some(expires_ms))?;
            work.commit().await?;
            Ok(Some(format!("/account/setup?token={}", token.reveal())))
        })
        .await
    }

    /// Makes the first administrator. Whoever has the link came by it where the host was started, so the address is not
    /// confirmed by mail, which may not be set up yet.
    pub async fn set_up(&self, token: &str, address: &str, password: &str, by: &By) -> Result<Account, Error> {
        store::again(|| async { self.require_offered(&mut self.begin(), token).await }).await?;
        let address: Address = address
            .parse()
            .map_err(|error| Error::invalid("/email", format!("{error}")))?;
        let account = Account {
            roles: [ADMINISTRATOR.to_owned()].into(),
            ..Account::new(address, None, self.clock.now_ms())
        };
        check(&account)?;
        let mut record = Record::of(account);
        record.set_password(self.hash_alone(&record.account, password, &OF_KNOWN).await?);
        store::again(|| async {
            let mut work = self.begin();
            self.require_offered(&mut work, token).await?;
            self.add(&mut work, &record).await?;
            let by = By {
                actor: Actor::Account(record.account.id),
                client: by.client.clone(),
                as_operator: false,
            };
            self.remember(&mut work, record.account.id, &by.client).await?;
            self.audit(&mut work, &by, "account.setup", Some(&record.account))
                .await?;
            work.commit().await
        })
        .await?;
        Ok(record.account)
    }

    /// Whether this is the link that was given out last.
    pub(super) async fn require_offered(&self, work: &mut Work, token: &str) -> Result<(), Error> {
        match work.read(&keys::setup()).await? {
            Some(Setup::Offered(digest)) if digest == session::digest(token) => Ok(()),
            _ => Err(Error::LinkSpent),
        }
    }

    /// Notes that there is an administrator, where this account is one.
    pub(super) fn note_administrator(&self, work: &mut Work, account: &Account) -> Result<(), Error> {
        match account.roles.contains(ADMINISTRATOR) {
            true => work.write(keys::setup(), &Setup::Done, None),
            false => Ok(()),
        }
    }

    async fn is_set_up(&self, work: &mut Work) -> Result<bool, Error> {
        if matches!(work.read(&keys::setup()).await?, Some(Setup::Done)) {
            return Ok(true);
        }
        let rows = work.scan(&keys::records(), None, LOOKED_AT).await?;
        let mut records = rows.iter().map(|(_, value)| store::decode::<Record>(value));
        records.try_fold(false, |found, record| {
            Ok(found || record?.account.roles.contains(ADMINISTRATOR))
        })
    }
}
