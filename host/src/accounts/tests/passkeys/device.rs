//! A device that holds a passkey, in software: it makes one and signs with it as WebAuthn says (level 2, 6), and as an attacker
//! would.

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const HAS_KEY: u8 = 0x40;

/// A device with one passkey.
pub(super) struct Device {
    key: EcdsaKeyPair,
    id: [u8; 16],
    /// Whose it is.
    pub(super) owner: Vec<u8>,
    /// How often it has signed.
    pub(super) counter: u32,
    /// The page that asks.
    pub(super) origin: String,
    /// Whether that page is in a frame of another one.
    pub(super) is_framed: bool,
    /// Whether it has asked for a finger or a PIN.
    pub(super) is_verified: bool,
}

impl Device {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, secret.as_ref(), &random).unwrap(),
            id: rand::random(),
            owner: Vec::new(),
            counter: 0,
            origin: "https://shop.example.org".to_owned(),
            is_framed: false,
            is_verified: true,
        }
    }

    /// Makes the passkey.
    pub(super) fn make(&mut self, options: &Value) -> Value {
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        self.owner = BASE64URL_NOPAD
            .decode(options["user"]["id"].as_str().unwrap().as_bytes())
            .unwrap();
        let rp_id = options["rp"]["id"].as_str().unwrap();
        let data = self.data(rp_id, HAS_KEY);
        // A CBOR map: "fmt": "none", "attStmt": {}, "authData": bytes.
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(data.len() as u8);
        object.extend(&data);
        json!({
            "id": text(&self.id),
            "rawId": text(&self.id),
            "type": "public-key",
            "response": {
                "attestationObject": text(&object),
                "clientDataJSON": text(&self.said("webauthn.create", &options["challenge"])),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        })
    }

    /// Signs with it.
    pub(super) fn sign(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let data = self.data(options["rpId"].as_str().unwrap(), 0);
        let said = self.said("webauthn.get", &options["challenge"]);
        let signed = [&data[..], &Sha256::digest(&said)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id),
            "rawId": text(&self.id),
            "type": "public-key",
            "response": {
                "authenticatorData": text(&data),
                "clientDataJSON": text(&said),
                "signature": text(signature.as_ref()),
                "userHandle": text(&self.owner),
            },
            "clientExtensionResults": {},
        })
    }

    /// What the page says of itself.
    fn said(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let said = json!({
            "type": kind,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": self.is_framed,
        });
        serde_json::to_vec(&said).unwrap()
    }

    /// Authenticator data; with the key where it is new.
    fn data(&self, rp_id: &str, more: u8) -> Vec<u8> {
        let verified = if self.is_verified { VERIFIED } else { 0 };
        let mut data = Sha256::digest(rp_id).to_vec();
        data.push(PRESENT | verified | more);
        data.extend(self.counter.to_be_bytes());
        if more & HAS_KEY != 0 {
            // No model, the id with its length, and the key: a CBOR map of an ES256 key on P-256 (RFC 9053).
            data.extend([0; 16]);
            data.extend([0, 16]);
            data.extend(self.id);
            let point = self.key.public_key().as_ref();
            data.extend(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20");
            data.extend(&point[1..33]);
            data.extend(b"\x22\x58\x20");
            data.extend(&point[33..]);
        }
        data
    }
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}
