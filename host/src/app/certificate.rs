//! The certificate of the listeners: from files of the operator's, or from an authority.

use std::pin::Pin;
use std::sync::Arc;

use super::StartError;
use super::files::DataDirectory;
use crate::config::{Acme, Server};
#[cfg(feature = "acme")]
use crate::http;
use crate::http::Certificates;
use crate::storage::clock::Clock;

/// What the listeners show, and what keeps it up to date while they are served.
pub(super) struct Shown {
    /// `None` where the listeners speak without TLS.
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Gets certificates from an authority, where that is wanted.
    pub(super) renewal: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The certificate that the configuration wants. An authority is asked for one later, once the listeners are served.
pub(super) fn shown(server: &Server, data: &DataDirectory, clock: &Arc<dyn Clock>) -> Result<Shown, StartError> {
    match &server.acme {
        Some(acme) => of_authority(acme, data, clock),
        None => Ok(Shown {
            certificates: server.tls.as_ref().map(Certificates::load).transpose()?,
            renewal: Box::pin(std::future::ready(())),
        }),
    }
}

#[cfg(feature = "acme")]
fn of_authority(config: &Acme, data: &DataDirectory, clock: &Arc<dyn Clock>) -> Result<Shown, StartError> {
    let acme = http::Acme::prepare(config, &data.acme(), Arc::clone(clock))?;
    Ok(Shown {
        certificates: Some(Arc::clone(acme.certificates())),
        renewal: Box::pin(acme.keep()),
    })
}

#[cfg(not(feature = "acme"))]
fn of_authority(_: &Acme, _: &DataDirectory, _: &Arc<dyn Clock>) -> Result<Shown, StartError> {
    Err(StartError::WithoutAcme)
}

#[cfg(all(test, not(feature = "acme")))]
mod tests {
    use super::*;
    use crate::storage::clock::SystemClock;

    #[test]
    fn a_program_without_acme_says_how_to_get_one_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::prepare(folder.path()).unwrap();
        let acme = Acme {
            domains: vec!["shop.example.org".to_owned()],
            contact: None,
            directory: "https://ca.example.org".to_owned(),
            trust: None,
        };
        let server = Server {
            acme: Some(acme),
            ..Server::default()
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let refused = shown(&server, &data, &clock).err().unwrap().to_string();
        assert!(refused.contains("--features acme"), "{refused}");
    }
}
