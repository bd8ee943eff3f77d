//! What an account has beside its password: a generator of one-time codes (TOTP, RFC 6238), recovery codes, and passkeys.

use data_encoding::BASE32_NOPAD;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret};
use uuid::Uuid;

use super::activity::{Act, Event, Subject};
use super::audit::By;
use super::changing::Changing;
use super::error::Error;
use super::login::{Login, Proof};
use super::mail::About;
use super::method::Method;
use super::passkeys::Passkey;
use super::sealing::{Sealed, SeedKeys};
use super::session::{self, Client};
use super::store::{self, Work};
use super::{Accounts, Identity};
use crate::storage::engine::Key;
use crate::storage::keyspace::accounts as keys;

/// RFC 4226, 4: 160 bits.
const SEED_BYTES: usize = 20;
/// How long a step lasts; each code is taken one step early and one late.
const STEP_S: u64 = 30;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// 120 random bits, so that nothing is to be gained by hashing one slowly (OWASP ASVS 5.0, 6.5.2).
const RECOVERY_BYTES: usize = 15;
/// The letters of a recovery code that are written together.
const RECOVERY_GROUP: usize = 6;

/// The second factors of an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Factors {
    /// The generator that codes are asked from.
    pub(super) totp: Option<Totp>,
    /// The seed of one that is being set up.
    pub(super) offered: Option<Sealed>,
    /// Digests of recovery codes that were not used yet.
    pub(super) recovery: Vec<[u8; 32]>,
    #[serde(default)]
    pub(super) passkeys: Vec<Passkey>,
}

/// A generator of codes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Totp {
    pub(super) seed: Sealed,
    /// The step of the last code that was taken: neither it nor one before it is taken again.
    last_step: u64,
}

/// A new generator, as its owner sees it once.
#[derive(Debug)]
pub struct Offer {
    /// The seed in base32, to be typed.
    pub secret: String,
    /// The same for programs (the `otpauth` URI of Google's key URI format).
    pub url: String,
    /// The URL as a QR code, an SVG picture.
    pub picture: String,
}

impl Factors {
    /// Whether a login needs more than a password.
    pub(super) fn is_on(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }

    /// What a login can go on with.
    pub(super) fn methods(&self) -> Vec<Method> {
        let passkey = self.passkeys.first().map(|_| Method::Passkey);
        let totp = self.totp.as_ref().map(|_| Method::Totp);
        let recovery = (!self.recovery.is_empty()).then_some(Method::Recovery);
        passkey.into_iter().chain(totp).chain(recovery).collect()
    }

    /// Takes a code, so that it is never taken again. Whether it was one.
    fn take(&mut self, keys: &SeedKeys, code: &Code<'_>) -> Result<bool, Error> {
        match code.method {
            Method::Totp => self.take_totp(keys, code),
            Method::Recovery => Ok(self.take_recovery(code.text)),
            _ => Ok(false),
        }
    }

    fn take_totp(&mut self, keys: &SeedKeys, code: &Code<'_>) -> Result<bool, Error> {
        let Some(totp) = &mut self.totp else { return Ok(false) };
        let seed = keys.open(code.account.as_bytes(), &totp.seed)?;
        let step = generator(&seed, None)?.check(code.text, code.now_ms / 1000);
        let Some(step) = step.filter(|step| *step > totp.last_step) else {
            return Ok(false);
        };
        totp.last_step = step;
        Ok(true)
    }

    fn take_recovery(&mut self, text: &str) -> bool {
        let typed: String = text
            .chars()
            .take(64)
            .filter(|character| !matches!(character, '-' | ' '))
            .collect();
        let digest = session::digest(&typed.to_ascii_uppercase());
        let before = self.recovery.len();
        self.recovery.retain(|held| *held != digest);
        self.recovery.len() < before
    }

    /// Replaces the recovery codes.
    pub(super) fn renew_recovery(&mut self) -> Result<Vec<String>, Error> {
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        self.recovery.clear();
        for _ in 0..RECOVERY_CODES {
            let mut random = [0; RECOVERY_BYTES];
            getrandom::fill(&mut random).map_err(|error| Error::Internal(error.to_string()))?;
            let text = BASE32_NOPAD.encode(&random);
            self.recovery.push(session::digest(&text));
            let groups: Vec<&str> = (0..text.len())
                .step_by(RECOVERY_GROUP)
                .map(|start| &text[start..start + RECOVERY_GROUP])
                .collect();
            codes.push(groups.join("-"));
        }
        Ok(codes)
    }
}

/// A code that somebody has typed.
struct Code<'c> {
    account: Uuid,
    method: Method,
    text: &'c str,
    now_ms: u64,
}

/// Codes of six digits every thirty seconds over SHA-1: what all the apps understand.
fn generator(seed: &[u8], names: Option<(&str, &str)>) -> Result<totp_rs::Totp, Error> {
    let builder = Builder::new()
        .with_secret(Secret::new(seed.into()))
        .with_step_duration(STEP_S)
        .with_skew(1);
    // A name has no colon, which separates the two.
    let plain = |name: &str| name.replace(':', " ");
    let (issuer, account) = names.unwrap_or(("-", "-"));
    builder
        .with_issuer(Some(plain(issuer)))
        .with_account_name(plain(account))
        .build()
        .map_err(|error| Error::Internal(format!("TOTP: {error}")))
}

impl Accounts {
    /// Offers a new generator; it is asked for nothing before `confirm_totp`.
    pub async fn offer_totp(&self, identity: &Identity) -> Result<Offer, Error> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed).map_err(|error| Error::Internal(error.to_string()))?;
        let offered = self.secrets.seeds.seal(identity.account.id.as_bytes(), &seed)?;
        store::again(|| async {
            let mut work = self.begin();
            let mut factors = self.changing_factors(&mut work, identity).await?.factors;
            if factors.totp.is_some() {
                return Err(Error::Conflict(
                    "a generator of codes is set up already: remove it first",
                ));
            }
            factors.offered = Some(offered.clone());
            work.write(keys::factors(identity.account.id), &factors, None)?;
            work.commit().await
        })
        .await?;
        let names = (self.secrets.name.as_str(), identity.account.address.as_str());
        let totp = generator(&seed, Some(names))?;
        let url = totp
            .to_url()
            .map_err(|error| Error::Internal(format!("TOTP: {error}")))?;
        let picture = QrCode::new(&url)
            .map_err(|error| Error::Internal(format!("QR code: {error}")))?
            .render::<svg::Color<'_>>()
            .min_dimensions(240, 240)
            .build();
        let secret = totp.secret().to_base32();
        Ok(Offer { secret, url, picture })
    }

    /// Has logins ask for codes from now on, once a first code shows that the generator works. The recovery codes are shown
    /// this once; the session has another token.
    pub async fn confirm_totp(
        &self,
        identity: &Identity,
        text: &str,
        client: &Client,
    ) -> Result<(Vec<String>, Login), Error> {
        let account = &identity.account;
        // A seed that is being set up is guessed at as little as one in use.
        let subject = Subject::Account(account.clone());
        self.may_try_code(&subject, Method::Totp, client).await?;
        store::again(|| async {
            let mut work = self.begin();
            let mut changing = self.changing_factors(&mut work, identity).await?;
            let factors = &mut changing.factors;
            let Some(seed) = factors.offered.take() else {
                return Err(Error::Conflict(
                    "no generator of codes waits for a first code: POST /auth/totp",
                ));
            };
            factors.totp = Some(Totp { seed, last_step: 0 });
            let code = Code {
                account: account.id,
                method: Method::Totp,
                text,
                now_ms: self.clock.now_ms(),
            };
            if !factors.take(&self.secrets.seeds, &code)? {
                return Err(Error::BadCode);
            }
            let codes = factors.renew_recovery()?;
            work.write(keys::factors(account.id), factors, None)?;
            let login = self.renew_with_proof(&mut work, changing, Method::Totp)?;
            self.tell_changed(&mut work, identity, Act::FactorAdded, client).await?;
            work.commit().await?;
            Ok((codes, login))
        })
        .await
    }

    /// Has logins ask for no codes any more, and drops the recovery codes.
    pub async fn remove_totp(&self, identity: &Identity, client: &Client) -> Result<(), Error> {
        self.attempts.act(identity.account.id)?;
        store::again(|| async {
            let mut work = self.begin();
            let Changing {
                record, mut factors, ..
            } = self.changing_factors(&mut work, identity).await?;
            if factors.totp.take().is_none() {
                return Err(Error::NotFound);
            }
            self.check_removed(&record, &mut factors)?;
            work.write(keys::factors(identity.account.id), &factors, None)?;
            self.tell_changed(&mut work, identity, Act::FactorRemoved, client)
                .await?;
            work.commit().await
        })
        .await
    }

    /// New recovery codes in the place of those that were left.
    pub async fn renew_recovery(&self, identity: &Identity, client: &Client) -> Result<Vec<String>, Error> {
        self.attempts.act(identity.account.id)?;
        store::again(|| async {
            let mut work = self.begin();
            let mut factors = self.changing_factors(&mut work, identity).await?.factors;
            if !factors.is_on() {
                return Err(Error::Conflict(
                    "there is no second factor that recovery codes could stand in for",
                ));
            }
            let codes = factors.renew_recovery()?;
            work.write(keys::factors(identity.account.id), &factors, None)?;
            self.tell_changed(&mut work, identity, Act::RecoveryCodesRenewed, client)
                .await?;
            work.commit().await?;
            Ok(codes)
        })
        .await
    }

    /// Removes all second factors of an account, whose owner has lost them, and ends its sessions.
    pub async fn reset_factors(&self, account: Uuid, by: &By) -> Result<(), Error> {
        store::again(|| async {
            let mut work = self.begin();
            self.require_right(&mut work, by).await?;
            let mut record = self.record(&mut work, account).await?;
            self.refuse_erased(&mut work, account).await?;
            work.delete(keys::factors(account));
            // What only a second factor made long enough is no password without one: a link in a mail sets another.
            if record.is_short {
                (record.password, record.is_short) = (None, false);
                work.write(keys::record(account), &record, None)?;
            }
            self.end_all(&mut work, account, None).await?;
            self.end_tokens(&mut work, account).await?;
            self.forget(&mut work, account, None).await?;
            let event = Event::new(Act::FactorRemoved, None, true, &by.client, self.clock.now_ms());
            self.note(&mut work, account, &event)?;
            self.audit(&mut work, by, "account.reset-factors", Some(&record.account))
                .await?;
            let link = self.link_that_ends(&mut work, account, None)?;
            self.tell(&mut work, &record.account, About::FactorChanged, Some(link))
                .await?;
            work.commit().await
        })
        .await
    }

    /// Seals with the key of today what older ones have sealed. How many seeds that were.
    pub async fn reseal(&self) -> Result<u64, Error> {
        let (mut behind, mut resealed) = (None, 0);
        loop {
            let (last, count) = store::again(|| self.reseal_page(behind.as_ref())).await?;
            resealed += count;
            match last {
                Some(last) => behind = Some(last),
                None => return Ok(resealed),
            }
        }
    }

    async fn reseal_page(&self, behind: Option<&Key>) -> Result<(Option<Key>, u64), Error> {
        const PAGE: usize = 100;
        let (mut work, mut count) = (self.begin(), 0);
        let rows = work.scan(&keys::all_factors(), behind, PAGE).await?;
        let last = rows.last().filter(|_| rows.len() == PAGE).map(|(key, _)| key.clone());
        for (key, value) in rows {
            let mut factors: Factors = store::decode(&value)?;
            let about = keys::parse_factors(&key).ok_or_else(|| Error::Internal("the key of a factor".to_owned()))?;
            let used = factors.totp.as_mut().map(|totp| &mut totp.seed);
            let mut is_changed = false;
            for sealed in used.into_iter().chain(factors.offered.as_mut()) {
                if !self.secrets.seeds.is_current(sealed) {
                    let seed = self.secrets.seeds.open(about.as_bytes(), sealed)?;
                    *sealed = self.secrets.seeds.seal(about.as_bytes(), &seed)?;
                    (is_changed, count) = (true, count + 1);
                }
            }
            if is_changed {
                work.write(key, &factors, None)?;
            }
        }
        work.commit().await?;
        Ok((last, count))
    }

    /// Takes a code, or the answer of a passkey to what was asked under a token, so that neither is taken again. Whether it was
    /// right; what was used up goes with the commit all the same.
    pub(super) async fn take(
        &self,
        work: &mut Work,
        digest: &[u8; 32],
        (account, factors): (Uuid, &mut Factors),
        proof: Proof<'_>,
        client: &Client,
    ) -> Result<bool, Error> {
        match proof {
            Proof::Password(_) => Ok(false),
            Proof::Code(method, text) => {
                let code = Code {
                    account,
                    method,
                    text,
                    now_ms: self.clock.now_ms(),
                };
                factors.take(&self.secrets.seeds, &code)
            }
            Proof::Passkey(answer) => {
                self.take_passkey(work, digest, (account, factors), answer, client)
                    .await
            }
        }
    }

    /// The second factors of an account.
    pub(super) async fn factors(&self, work: &mut Work, account: Uuid) -> Result<Factors, Error> {
        Ok(work.read(&keys::factors(account)).await?.unwrap_or_default())
    }

    /// Notes that the account's owner has changed how it is proved who they are, and tells them.
    pub(super) async fn tell_changed(
        &self,
        work: &mut Work,
        identity: &Identity,
        act: Act,
        client: &Client,
    ) -> Result<(), Error> {
        let account = &identity.account;
        let event = Event::new(act, None, true, client, self.clock.now_ms());
        self.note(work, account.id, &event)?;
        let link = self.link_that_ends(work, account.id, None)?;
        self.tell(work, account, About::FactorChanged, Some(link)).await
    }
}
