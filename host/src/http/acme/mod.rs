//! The certificate of the listeners, got from a certificate authority that speaks ACME (RFC 8555), and renewed in time. That
//! the names are this host's is shown on the API's own listener (TLS-ALPN-01, RFC 8737), which the authority reaches on port 443.

mod certificate;
mod order;
#[cfg(test)]
mod tests;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::client::Client;
use super::tls::{BadCertificate, Certificates, MAX_PEM_BYTES};
use crate::config::{self, Tls, write_secret};
use crate::storage::clock::Clock;
use order::Refused;

/// How often it is looked whether it is time for another certificate.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long to wait after a first attempt that failed; twice as long after each further one.
const RETRY_FIRST: Duration = Duration::from_secs(60);
/// The longest wait. Authorities count attempts that fail by the hour.
const RETRY_LAST: Duration = Duration::from_secs(6 * 60 * 60);
/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Why there can be no certificate from an authority at all.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// Where certificates are kept.
    #[error("{}: {error}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// TLS.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// What speaks to the authority.
    #[error("[server.acme]: {0}")]
    Client(String),
}

/// Keeps a certificate up to date.
pub struct Acme {
    config: config::Acme,
    /// What is kept: the certificate with its key, and the account with the authority.
    folder: PathBuf,
    certificates: Arc<Certificates>,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Acme {
    /// Begins with the certificate that there is from before, or with one that nobody trusts until there is another. One that
    /// can't be used is as if there was none.
    pub fn prepare(config: &config::Acme, folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, AcmeError> {
        let about = |error| AcmeError::Folder {
            folder: folder.to_owned(),
            error,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(about)?;
        let path = folder.join("certificate.pem");
        // Both are in one file, so that they always belong together.
        let files = Tls {
            certificate: path.clone(),
            key: path,
        };
        Ok(Self {
            certificates: Certificates::load_or(&files, || certificate::of_nobody(&config.domains))?,
            client: trusting(config).map_err(AcmeError::Client)?,
            config: config.clone(),
            folder: folder.to_owned(),
            clock,
        })
    }

    /// What the listeners show.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// Gets certificates whenever it is time; runs until it is dropped.
    pub async fn keep(self) {
        let mut failures = 0;
        loop {
            if !self.is_due() {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            tracing::info!(target: "acme", domains = ?self.config.domains, "getting a certificate");
            match self.attempt(self.renew()).await {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(target: "acme", "there is a new certificate, used from now on");
                    // One that is due again at once is got no more often for that.
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => {
                    let wait = RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(RETRY_LAST);
                    failures += 1;
                    tracing::error!(
                        target: "acme", %error, retry_s = wait.as_secs(),
                        "no certificate was got: the names must lead to this host, and port 443 there to its API"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Whether two thirds of the certificate's time are over, or it is not for the names that are asked for.
    fn is_due(&self) -> bool {
        let due_ms = certificate::due_ms(&self.certificates.leaf(), &self.config.domains);
        due_ms.is_none_or(|due_ms| due_ms <= self.clock.now_ms())
    }

    /// One attempt. However it ends, be it with a panic, others follow, and no challenge is answered any more.
    async fn attempt(&self, renewing: impl Future<Output = Result<(), Refused>>) -> Result<(), Refused> {
        let renewed = AssertUnwindSafe(tokio::time::timeout(TIMEOUT, renewing)).catch_unwind();
        let renewed = renewed.await;
        self.certificates.forget_challenges();
        match renewed {
            Ok(in_time) => in_time.unwrap_or(Err(Refused::Timeout)),
            Err(_) => Err(Refused::Panicked),
        }
    }

    /// Gets a certificate. What was there before stays, in memory and in the file, where it fails.
    async fn renew(&self) -> Result<(), Refused> {
        let pem = order::certificate(self).await?;
        let path = self.folder.join("certificate.pem");
        let certificates = Arc::clone(&self.certificates);
        let kept = tokio::task::spawn_blocking(move || {
            write_secret(&path, pem.as_bytes()).map_err(Refused::Kept)?;
            certificates.reload().map_err(Refused::Unusable)
        });
        kept.await.map_err(|error| Refused::Kept(io::Error::other(error)))?
    }
}

/// What speaks to the authority, trusting whom the operator trusts.
fn trusting(config: &config::Acme) -> Result<Client, String> {
    let Some(path) = &config.trust else {
        return Client::new();
    };
    let pem = config::read_limited(path, MAX_PEM_BYTES).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Client::trusting(certificates),
        _ => Err(format!("{}: there is no certificate in it", path.display())),
    }
}
