//! The receipt of an erasure, signed: what was removed, and what no host can remove.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Removed;
use crate::accounts::error::Error;

/// What an erasure leaves, and why.
const OUTSIDE: [&str; 4] = [
    "copies of the store that were made before, until they are thrown away",
    "the free space of the store's file, until something else is written there",
    "mail that was delivered before",
    "the entries of the audit log, which name the account by its id alone: what else they told can't be read any more",
];

/// What an erasure came to. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which erasure.
    pub id: Uuid,
    /// Which account it was.
    pub account: Uuid,
    /// When it was asked for.
    pub requested_ms: u64,
    /// When it was done.
    pub finished_ms: u64,
    /// What was removed.
    pub removed: Removed,
    /// What is outside of what the host can remove.
    pub outside: Vec<String>,
}

/// A receipt with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The receipt, to be read.
    pub receipt: Receipt,
    /// The same, signed: a JSON Web Signature in its compact form (RFC 7515), with Ed25519 (RFC 8037).
    pub jws: String,
}

impl Receipt {
    pub(super) fn new(account: Uuid, (requested_ms, finished_ms): (u64, u64), removed: Removed) -> Self {
        Self {
            id: Uuid::now_v7(),
            account,
            requested_ms,
            finished_ms,
            removed,
            outside: OUTSIDE.map(str::to_owned).into(),
        }
    }

    /// The receipt in a signature that the key with this public half has made; an error says what is wrong.
    pub fn verified(jws: &str, public: &[u8]) -> Result<Self, String> {
        let (message, signature) = jws.rsplit_once('.').ok_or("this is no JSON Web Signature")?;
        let (header, payload) = message.split_once('.').ok_or("this is no JSON Web Signature")?;
        let decode = |part: &str| {
            let bytes = BASE64URL_NOPAD.decode(part.as_bytes());
            bytes.map_err(|_| "this is no JSON Web Signature".to_owned())
        };
        let header: Value = serde_json::from_slice(&decode(header)?).unwrap_or_default();
        if header["alg"] != "EdDSA" {
            return Err("the receipt is not signed with Ed25519".to_owned());
        }
        UnparsedPublicKey::new(&ED25519, public)
            .verify(message.as_bytes(), &decode(signature)?)
            .map_err(|_| "the receipt is not this host's, or was changed".to_owned())?;
        serde_json::from_slice(&decode(payload)?).map_err(|error| format!("what was signed is no receipt: {error}"))
    }
}

/// What signs receipts.
pub struct ReceiptKey(Ed25519KeyPair);

impl ReceiptKey {
    /// A new key, as it is kept in a file (PKCS #8).
    pub fn generate() -> Result<Vec<u8>, String> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        document
            .map(|document| document.as_ref().to_vec())
            .map_err(|error| error.to_string())
    }

    /// Reads what `generate` has made.
    pub fn read(pkcs8: &[u8]) -> Result<Self, String> {
        Ed25519KeyPair::from_pkcs8(pkcs8)
            .map(Self)
            .map_err(|error| format!("this is no Ed25519 key in PKCS #8: {error}"))
    }

    /// The public half as a JSON Web Key (RFC 8037).
    pub(super) fn public(&self) -> Value {
        let public = self.0.public_key().as_ref();
        json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(public), "kid": self.name(), "alg": "EdDSA" })
    }

    pub(super) fn sign(&self, receipt: &Receipt) -> Result<Signed, Error> {
        let header = json!({ "alg": "EdDSA", "kid": self.name(), "typ": "portcullis-erasure-receipt" });
        let payload = serde_json::to_vec(receipt).map_err(|error| Error::Internal(error.to_string()))?;
        let message = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
            BASE64URL_NOPAD.encode(&payload)
        );
        let signature = self.0.sign(message.as_bytes());
        Ok(Signed {
            receipt: receipt.clone(),
            jws: format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref())),
        })
    }

    fn name(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0.public_key().as_ref())[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ReceiptKey {
        ReceiptKey::read(&ReceiptKey::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_receipt_is_the_hosts_own_or_refused() {
        let (key, other) = (key(), key());
        let receipt = Receipt::new(Uuid::from_u128(1), (1, 2), Removed::default());
        let signed = key.sign(&receipt).unwrap();
        let public = |key: &ReceiptKey| key.0.public_key().as_ref().to_vec();
        assert_eq!(Receipt::verified(&signed.jws, &public(&key)), Ok(receipt));
        assert!(Receipt::verified(&signed.jws, &public(&other)).is_err());
        for place in 0..signed.jws.len() {
            let mut forged = signed.jws.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(Receipt::verified(&forged, &public(&key)).is_err(), "byte {place}");
        }
        for forged in ["", "a.b", "a.b.c", "..", "e30.e30."] {
            assert!(Receipt::verified(forged, &public(&key)).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_receipt_from_before_more_was_counted_says_what_it_said() {
        let before = serde_json::json!({
            "documents": { "orders": 2 }, "anonymised": {}, "bucket_entries": 0, "kept_answers": 0, "outbox_entries": 1,
            "links": 0, "activity": 3, "sessions": 1, "tokens": 0, "identities": 0,
        });
        let read: Removed = serde_json::from_value(before.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), before);
    }
}
