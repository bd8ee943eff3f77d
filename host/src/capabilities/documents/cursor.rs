//! Cursors: where a page ended, encrypted and authenticated, bound to the query and the caller.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const NONCE_BYTES: usize = 24;

/// Seals cursors with a key of this store.
pub struct Cursors {
    cipher: XChaCha20Poly1305,
    key: [u8; 32],
}

impl Cursors {
    /// With a key that outlives the process, so that a client can go on after a restart.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(&key.into()),
            key,
        }
    }

    /// The cursor for a position. The same position gives the same cursor: the nonce is a keyed hash of all that is
    /// sealed, so that none is ever used for two messages.
    pub fn seal(&self, bound_to: &[u8], position: &[u8]) -> Option<String> {
        let nonce = self.nonce(bound_to, position)?;
        let payload = Payload {
            msg: position,
            aad: bound_to,
        };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(BASE64URL_NOPAD.encode(&[nonce.as_slice(), &sealed].concat()))
    }

    /// The position of a cursor that this store made for this query and caller.
    pub fn open(&self, bound_to: &[u8], cursor: &str) -> Option<Vec<u8>> {
        let sealed = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.cipher
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: bound_to,
                },
            )
            .ok()
    }

    fn nonce(&self, bound_to: &[u8], position: &[u8]) -> Option<[u8; NONCE_BYTES]> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key).ok()?;
        mac.update(b"cursor nonce");
        mac.update(&(bound_to.len() as u64).to_be_bytes());
        mac.update(bound_to);
        mac.update(position);
        mac.finalize().into_bytes().first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_for_what_it_was_made_for() {
        let cursors = Cursors::new([1; 32]);
        let cursor = cursors.seal(b"query", b"position").unwrap();
        assert_eq!(cursors.open(b"query", &cursor).as_deref(), Some(b"position".as_slice()));
        assert_eq!(cursors.open(b"other query", &cursor), None);
        assert_eq!(Cursors::new([2; 32]).open(b"query", &cursor), None);
        assert_eq!(cursors.seal(b"query", b"position").unwrap(), cursor);
    }

    #[test]
    fn no_changed_cursor_opens() {
        let cursors = Cursors::new([1; 32]);
        let cursor = cursors.seal(b"query", b"position").unwrap();
        for place in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                cursors.open(b"query", std::str::from_utf8(&forged).unwrap()),
                None,
                "byte {place}"
            );
        }
        for forged in ["", "A", "%%%", &cursor[..20]] {
            assert_eq!(cursors.open(b"query", forged), None);
        }
    }
}
