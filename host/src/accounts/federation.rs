//! Identities at providers: who somebody is for an OpenID provider, and which account that is here. Only issuer and subject
//! say who it is; an address is no identity, as it may come to belong to somebody else.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::account::{Account, Record};
use super::activity::{Act, Event, Subject};
use super::address::Address;
use super::changing::Changing;
use super::error::Error;
use super::flow::Acting;
use super::login::LoggedIn;
use super::mail::About;
use super::manage::{self, MAX_NAME_BYTES};
use super::method::Method;
use super::session::Client;
use super::store::{self, Work};
use super::{Accounts, Identity};
use crate::config::Registration;
use crate::storage::keyspace::accounts as keys;

/// The most identities of an account.
const MAX_IDENTITIES: usize = 16;

/// What a provider says about somebody who has signed in there; it was checked that the provider says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The provider's identifier.
    pub issuer: String,
    /// Who it is for the provider; never given to anybody else.
    pub subject: String,
    /// The address, if the provider has verified that it is theirs.
    pub verified_address: Option<Address>,
    /// What the person wants to be called.
    pub name: Option<String>,
}

/// An identity at a provider that is a way to log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedIdentity {
    /// Its name, for lists.
    pub id: Uuid,
    /// The provider's name in the configuration, when it was linked.
    pub provider: String,
    /// The provider's identifier.
    pub issuer: String,
    /// Who it is for the provider.
    pub subject: String,
    /// When it was linked, in milliseconds since the Unix epoch.
    pub linked_ms: u64,
}

/// Whose an identity is.
#[derive(Debug, Serialize, Deserialize)]
struct Owner {
    account: Uuid,
    id: Uuid,
}

impl Accounts {
    /// Logs in one who has signed in with a provider, which is a first factor like a password. Somebody unknown gets an account, if
    /// registration is open, the provider vouches for the address, and no account has it: one that has it must link the identity
    /// itself, or whoever can have a provider say an address could take over its account.
    pub async fn login_identity(&self, assertion: &Assertion, client: &Client) -> Result<LoggedIn, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let record = match work.read::<Owner>(&keys::identity(&digest(assertion))).await? {
                Some(owner) => self.record(&mut work, owner.account).await?,
                None => self.newcomer(&mut work, assertion).await?,
            };
            if record.account.is_locked {
                let subject = Subject::Account(record.account);
                self.fail(&mut work, &subject, (Act::Login, Method::Oidc), client)
                    .await?;
                work.commit().await?;
                return Err(Error::BadCredentials);
            }
            let passed = self.pass(&mut work, &record, Method::Oidc, client).await?;
            work.commit().await?;
            Ok(passed)
        })
        .await
    }

    /// Makes the account of somebody unknown.
    async fn newcomer(&self, work: &mut Work, assertion: &Assertion) -> Result<Record, Error> {
        if self.config.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        let address = assertion.verified_address.clone().ok_or(Error::AddressUnverified)?;
        let account = Account {
            id: Uuid::now_v7(),
            address,
            name: assertion.name.as_deref().and_then(name),
            roles: BTreeSet::new(),
            is_locked: false,
            created_ms: self.clock.now_ms(),
        };
        manage::check(&account)?;
        let record = Record {
            account,
            password: None,
            is_short: false,
        };
        let added = self.add(work, &record).await;
        added.map_err(|error| match error {
            Error::AddressTaken => Error::LinkFirst,
            other => other,
        })?;
        self.add_identity(work, record.account.id, assertion)?;
        Ok(record)
    }

    /// Makes an identity a way to log in to the account of a session, which must still be there with the same token: much may
    /// have happened while somebody was at the provider.
    pub async fn link_identity(&self, acting: &Acting, assertion: &Assertion, client: &Client) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            let account = acting.account;
            let (record, ..) = self.acting_through(&mut work, acting).await?;
            match work.read::<Owner>(&keys::identity(&digest(assertion))).await? {
                Some(owner) if owner.account == account => return Ok(()),
                Some(_) => return Err(Error::IdentityTaken),
                None => {}
            }
            if self.identities_of(&mut work, account).await?.len() >= MAX_IDENTITIES {
                return Err(Error::TooManyIdentities);
            }
            self.add_identity(&mut work, account, assertion)?;
            self.tell_linked(&mut work, &record.account, Act::IdentityLinked, client)
                .await?;
            work.commit().await
        })
        .await
    }

    /// Takes a way to log in from the account that acts; not its last one. It must have been proved a short while ago who
    /// acts.
    pub async fn unlink_identity(&self, identity: &Identity, id: Uuid, client: &Client) -> Result<(), Error> {
        let account = identity.account.id;
        self.attempts.act(account)?;
        store::again(|| async {
            let mut work = self.begin();
            let Changing { record, factors, .. } = self.changing_factors(&mut work, identity).await?;
            let linked = self.identities_of(&mut work, account).await?;
            let found = linked.iter().find(|linked| linked.id == id).ok_or(Error::NotFound)?;
            let is_other_way = record.password.is_some() || linked.len() > 1;
            if !is_other_way && factors.passkeys.is_empty() {
                return Err(Error::LastWayIn);
            }
            work.delete(keys::identity(&digest_of(&found.issuer, &found.subject)));
            work.delete(keys::identity_of(account, id));
            self.tell_linked(&mut work, &record.account, Act::IdentityUnlinked, client)
                .await?;
            work.commit().await
        })
        .await
    }

    /// The identities of an account, the oldest first.
    pub async fn identities(&self, account: Uuid) -> Result<Vec<FederatedIdentity>, Error> {
        store::again(|| async {
            let mut work = self.begin();
            let identities = self.identities_of(&mut work, account).await?;
            work.commit().await?;
            Ok(identities)
        })
        .await
    }

    /// Removes the identities of an account. How many there were.
    pub(super) async fn end_identities(&self, work: &mut Work, account: Uuid) -> Result<u64, Error> {
        let linked = self.identities_of(work, account).await?;
        for identity in &linked {
            work.delete(keys::identity(&digest_of(&identity.issuer, &identity.subject)));
            work.delete(keys::identity_of(account, identity.id));
        }
        Ok(linked.len() as u64)
    }

    /// Notes that there is another way to log in or one less, and tells the owner of the account.
    async fn tell_linked(&self, work: &mut Work, account: &Account, act: Act, client: &Client) -> Result<(), Error> {
        let event = Event::new(act, Some(Method::Oidc), true, client, self.clock.now_ms());
        self.note(work, account.id, &event)?;
        let link = self.link_that_ends(work, account.id, None)?;
        self.tell(work, account, About::IdentityChanged, Some(link)).await
    }

    pub(super) async fn identities_of(&self, work: &mut Work, account: Uuid) -> Result<Vec<FederatedIdentity>, Error> {
        let rows = work
            .scan(&keys::identities_of(account), None, MAX_IDENTITIES + 1)
            .await?;
        rows.iter().map(|(_, value)| store::decode(value)).collect()
    }

    fn add_identity(&self, work: &mut Work, account: Uuid, assertion: &Assertion) -> Result<(), Error> {
        let id = Uuid::now_v7();
        let identity = FederatedIdentity {
            id,
            provider: assertion.provider.clone(),
            issuer: assertion.issuer.clone(),
            subject: assertion.subject.clone(),
            linked_ms: self.clock.now_ms(),
        };
        work.write(keys::identity(&digest(assertion)), &Owner { account, id }, None)?;
        work.write(keys::identity_of(account, id), &identity, None)
    }
}

/// What an identity is stored under.
fn digest(assertion: &Assertion) -> [u8; 32] {
    digest_of(&assertion.issuer, &assertion.subject)
}

/// The length before the issuer says where the subject begins.
fn digest_of(issuer: &str, subject: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update((issuer.len() as u64).to_be_bytes())
        .chain_update(issuer)
        .chain_update(subject)
        .finalize()
        .into()
}

/// A name as a provider has it, in the form of one of an account; nobody can correct it in the middle of a sign-in.
fn name(given: &str) -> Option<String> {
    let mut name: String = given.chars().filter(|character| !character.is_control()).collect();
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
