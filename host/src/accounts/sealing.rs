//! What is kept in the store but not readable in it: sealed with XChaCha20-Poly1305 under a key that is somewhere else, and
//! bound to what it is about, so that it can't be put in another's place.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::Error;

const NONCE_BYTES: usize = 24;
/// The most keys of one list.
const MAX_KEYS: usize = 16;

/// A key of 256 bits.
pub type Key = [u8; 32];

/// The keys that seal the seeds of second factors. The first one seals, each of them opens: a new key is put in front, and
/// the old one goes once everything is sealed with the new one.
#[derive(Clone)]
pub struct SeedKeys(Vec<Key>);

/// Something sealed with one of several keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// Which key.
    key: String,
    text: String,
}

impl SeedKeys {
    /// Reads keys as they are written: 32 bytes in base64 each, between them spaces, commas or line ends.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text
            .split(|character: char| character.is_whitespace() || character == ',')
            .filter(|word| !word.is_empty());
        let keys: Vec<Key> = words
            .map(|word| {
                let bytes = BASE64.decode(word.as_bytes()).ok();
                bytes.and_then(|bytes| bytes.try_into().ok())
            })
            .collect::<Option<_>>()
            .ok_or("a key is 32 bytes in base64: `head -c 32 /dev/urandom | base64` makes one")?;
        match keys.len() {
            0 => Err("there is no key in it: `head -c 32 /dev/urandom | base64` makes one".to_owned()),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(format!("there are more than {MAX_KEYS} keys in it")),
        }
    }

    /// Seals with the first key.
    pub(super) fn seal(&self, about: &[u8], plain: &[u8]) -> Result<Sealed, Error> {
        Ok(Sealed {
            key: name(&self.0[0]),
            text: seal(&self.0[0], about, plain)?,
        })
    }

    /// Opens with whichever key sealed it.
    pub(super) fn open(&self, about: &[u8], sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let key = self.0.iter().find(|key| name(key) == sealed.key).ok_or_else(|| {
            let which = &sealed.key;
            Error::Internal(format!(
                "a seed is sealed with the key {which}, which is not among the seed keys"
            ))
        })?;
        open(key, about, &sealed.text).ok_or_else(|| Error::Internal("a sealed seed is damaged".to_owned()))
    }

    /// Seals what somebody keeps for the host until they bring it back.
    pub(super) fn hand_out(&self, about: &[u8], plain: &[u8]) -> Result<String, Error> {
        let Sealed { key, text } = self.seal(about, plain)?;
        Ok(format!("{key}.{text}"))
    }

    /// What somebody has kept; nothing where it was not handed out here, for this.
    pub(super) fn take_back(&self, about: &[u8], kept: &str) -> Option<Vec<u8>> {
        let (named, text) = kept.split_once('.')?;
        let key = self.0.iter().find(|key| name(key) == named)?;
        open(key, about, text)
    }

    /// Whether it is sealed with the key of today.
    pub(super) fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.key == name(&self.0[0])
    }
}

/// What a key is called where it can be read: a few bytes of its hash.
fn name(key: &Key) -> String {
    HEXLOWER.encode(&Sha256::digest(key)[..4])
}

/// A key nobody knows.
pub(super) fn random_key() -> Result<Key, Error> {
    let mut key = Key::default();
    getrandom::fill(&mut key).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(key)
}

pub(super) fn seal(key: &Key, about: &[u8], plain: &[u8]) -> Result<String, Error> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Error::Internal(error.to_string()))?;
    let payload = Payload { msg: plain, aad: about };
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Error::Internal("sealing failed".to_owned()))?;
    Ok(BASE64URL_NOPAD.encode(&[&nonce[..], &sealed].concat()))
}

pub(super) fn open(key: &Key, about: &[u8], sealed: &str) -> Option<Vec<u8>> {
    let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: sealed,
        aad: about,
    };
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), payload)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    #[test]
    fn what_an_old_key_sealed_opens_while_the_key_is_in_the_list() {
        let old = SeedKeys::parse(OLD).unwrap();
        let sealed = old.seal(b"ada", b"seed").unwrap();
        let both = SeedKeys::parse(&format!("{NEW}\n{OLD}\n")).unwrap();
        assert_eq!(both.open(b"ada", &sealed).unwrap(), b"seed");
        assert!(old.is_current(&sealed) && !both.is_current(&sealed));
        let sealed_anew = both.seal(b"ada", b"seed").unwrap();
        let new = SeedKeys::parse(NEW).unwrap();
        assert_eq!(new.open(b"ada", &sealed_anew).unwrap(), b"seed");
        assert!(new.open(b"ada", &sealed).is_err());
    }

    #[test]
    fn what_is_sealed_for_one_account_opens_for_no_other() {
        let keys = SeedKeys::parse(OLD).unwrap();
        let sealed = keys.seal(b"ada", b"seed").unwrap();
        assert!(keys.open(b"eve", &sealed).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_makes_one() {
        for text in ["", "short", &OLD[..20], &format!("{OLD} x")] {
            let refused = SeedKeys::parse(text).err().unwrap();
            assert!(refused.contains("/dev/urandom"), "{text}: {refused}");
        }
        assert!(SeedKeys::parse(&[OLD; 17].join(",")).is_err());
    }
}
