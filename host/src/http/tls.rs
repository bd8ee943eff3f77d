//! TLS of the listeners: the certificate, which is read again when its files change.

#[cfg(any(feature = "acme", test))]
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio_rustls::TlsAcceptor;

use crate::config::{self, Tls};

/// What clients may speak, in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// What an authority speaks that looks for the answer to a challenge, and nobody else (RFC 8737).
#[cfg(any(feature = "acme", test))]
const CHALLENGE: &[u8] = b"acme-tls/1";
/// A certificate with what leads to it, and its key.
#[cfg(any(feature = "acme", test))]
type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);
/// The largest certificate with its chain, and the largest key.
pub(super) const MAX_PEM_BYTES: u64 = 256 << 10;
/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// A file.
    #[error("cannot read {0}")]
    Unreadable(io::Error),
    /// What is in a file.
    #[error("{file}: {reason}; [server.tls] needs a certificate with its chain and its private key, both in PEM")]
    Malformed {
        /// Which one.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The two don't fit.
    #[error("{certificate} and {key} do not belong together: {reason}")]
    Mismatch {
        /// The one.
        certificate: String,
        /// The other.
        key: String,
        /// What rustls says.
        reason: rustls::Error,
    },
    /// rustls itself.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// The certificate that new connections are shown. Those that there are keep the one that they began with.
#[derive(Debug)]
pub struct Certificates {
    files: Tls,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// How the files were when they were last read, whether they were any good or not.
    read: Mutex<Stamp>,
    /// What an authority is shown that asks whether a name is this host's (RFC 8737).
    #[cfg(any(feature = "acme", test))]
    challenges: ArcSwap<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Reads the files for the first time.
    pub fn load(files: &Tls) -> Result<Arc<Self>, BadCertificate> {
        let provider = Arc::new(ring::default_provider());
        let stamp = Stamp::of(files);
        let pair = read(files, &provider)?;
        Ok(Self::new(files, provider, pair, stamp))
    }

    fn new(files: &Tls, provider: Arc<CryptoProvider>, pair: CertifiedKey, stamp: Stamp) -> Arc<Self> {
        Arc::new(Self {
            files: files.clone(),
            provider,
            current: ArcSwap::from_pointee(pair),
            read: Mutex::new(stamp),
            #[cfg(any(feature = "acme", test))]
            challenges: ArcSwap::default(),
        })
    }

    /// Reads the files again. Where they are no good, the pair that there is stays; so it does where there are none yet, which
    /// only happens to one who waits for them. Blocks.
    pub fn reload(&self) -> Result<(), BadCertificate> {
        let now = Stamp::of(&self.files);
        let before = std::mem::replace(&mut *self.read.lock(), now);
        if now == Stamp::NOTHING && before == Stamp::NOTHING {
            return Ok(());
        }
        self.current.store(Arc::new(read(&self.files, &self.provider)?));
        Ok(())
    }

    /// What makes TLS of connections.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, BadCertificate> {
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(BadCertificate::Setup)?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        #[cfg(any(feature = "acme", test))]
        config.alpn_protocols.push(CHALLENGE.to_vec());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again whenever they have changed; runs until it is dropped.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut seen = *self.read.lock();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let certificates = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || certificates.look(seen));
            // It fails only where the runtime ends.
            let Ok(now) = looked.await else { return };
            seen = now;
        }
    }

    /// Looks at the files, and reads them where they have changed. Somebody who replaces two files does so one after the
    /// other, so they are left alone until they look the same twice.
    fn look(&self, seen: Stamp) -> Stamp {
        let now = Stamp::of(&self.files);
        let changed = *self.read.lock() != now;
        if changed && now == seen {
            match self.reload() {
                Ok(()) => tracing::info!(target: "tls", "the certificate has changed and is used from now on"),
                Err(error) => tracing::error!(
                    target: "tls", %error,
                    "the certificate has changed and can't be used; the old one stays in use: replace the files once more"
                ),
            }
        }
        now
    }
}

#[cfg(any(feature = "acme", test))]
impl Certificates {
    /// Reads the files for the first time, if they are there, and goes on with another pair while they are not, or are no good.
    pub(super) fn load_or<E>(files: &Tls, make: impl FnOnce() -> Result<Pair, E>) -> Result<Arc<Self>, BadCertificate>
    where
        E: std::fmt::Display,
    {
        let stamp = Stamp::of(files);
        if stamp != Stamp::NOTHING {
            match Self::load(files) {
                Ok(certificates) => return Ok(certificates),
                Err(error) => tracing::error!(
                    target: "tls", %error,
                    "the certificate from before can't be used: one that nobody trusts is shown until there is another"
                ),
            }
        }
        let provider = Arc::new(ring::default_provider());
        let setup = |error: String| BadCertificate::Setup(rustls::Error::General(error));
        let (chain, key) = make().map_err(|error| setup(error.to_string()))?;
        let pair = CertifiedKey::from_der(chain, key, &provider).map_err(BadCertificate::Setup)?;
        Ok(Self::new(files, provider, pair, stamp))
    }

    /// The certificate that is shown, without what leads to it.
    pub(super) fn leaf(&self) -> CertificateDer<'static> {
        let current = self.current.load();
        current.cert.first().cloned().unwrap_or_else(|| Vec::new().into())
    }

    /// Shows an authority this pair when it asks for a name.
    pub(super) fn challenge(&self, name: String, (chain, key): Pair) -> Result<(), BadCertificate> {
        // Not checked against the key: rustls does not read a certificate with an extension that it has to know and does not.
        let key = self.provider.key_provider.load_private_key(key);
        let pair = CertifiedKey::new(chain, key.map_err(BadCertificate::Setup)?);
        let mut challenges = BTreeMap::clone(&self.challenges.load());
        challenges.insert(name, Arc::new(pair));
        self.challenges.store(Arc::new(challenges));
        Ok(())
    }

    /// Shows no authority anything any more.
    pub(super) fn forget_challenges(&self) {
        self.challenges.store(Arc::default());
    }

    /// Whether an authority would be shown something.
    #[cfg(test)]
    pub(super) fn is_challenged(&self) -> bool {
        !self.challenges.load().is_empty()
    }

    /// What is shown to an authority that asks, which speaks nothing but `acme-tls/1`; `None` for everybody else.
    fn answer(&self, hello: &ClientHello<'_>) -> Option<Option<Arc<CertifiedKey>>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(CHALLENGE) || protocols.next().is_some() {
            return None;
        }
        let challenges = self.challenges.load();
        Some(hello.server_name().and_then(|name| challenges.get(name).cloned()))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        #[cfg(any(feature = "acme", test))]
        if let Some(answer) = self.answer(&hello) {
            return answer;
        }
        let _ = hello;
        Some(self.current.load_full())
    }
}

fn read(files: &Tls, provider: &CryptoProvider) -> Result<CertifiedKey, BadCertificate> {
    let malformed = |file: &Path, reason: String| BadCertificate::Malformed {
        file: file.display().to_string(),
        reason,
    };
    let pem = config::read_limited(&files.certificate, MAX_PEM_BYTES).map_err(BadCertificate::Unreadable)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| malformed(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(malformed(
            &files.certificate,
            "there is no certificate in it".to_owned(),
        ));
    }
    let pem = config::read_large_secret(&files.key, MAX_PEM_BYTES).map_err(BadCertificate::Unreadable)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| malformed(&files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|reason| BadCertificate::Mismatch {
        certificate: files.certificate.display().to_string(),
        key: files.key.display().to_string(),
        reason,
    })
}

/// How two files look from outside; a file that was replaced or written to looks different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([Option<Look>; 2]);

/// Device, inode, size, and when content and inode were changed, in seconds and nanoseconds.
type Look = (u64, u64, u64, (i64, i64), (i64, i64));

impl Stamp {
    /// Where there are no files.
    const NOTHING: Self = Self([None; 2]);

    fn of(files: &Tls) -> Self {
        Self([&files.certificate, &files.key].map(|file| {
            let found = fs::metadata(file).ok()?;
            Some((
                found.dev(),
                found.ino(),
                found.size(),
                (found.mtime(), found.mtime_nsec()),
                (found.ctime(), found.ctime_nsec()),
            ))
        }))
    }
}
