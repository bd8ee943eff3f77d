//! The certificate of the listeners: from files of the operator's, or from an authority.

use std::pin::Pin;
use std::sync::Arc;

use super::StartError;
use super::files::DataDirectory;
use crate::config::Server;
#[cfg(feature = "acme")]
use crate::http::Acme;
use crate::http::Certificates;
use crate::storage::clock::Clock;

/// What the listeners show, and what keeps it up to date while they are served.
pub(super) struct Shown {
    /// `None` where the listeners speak without TLS.
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Gets certificates from an authority, where that is wanted.
    pub(super) renewal: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[cfg_attr(
    not(feature = "acme"),
    expect(unused_variables, reason = "where certificates are kept, and when they are renewed")
)]
pub(super) fn shown(server: &Server, data: &DataDirectory, clock: &Arc<dyn Clock>) -> Result<Shown, StartError> {
    #[cfg(feature = "acme")]
    if let Some(config) = &server.acme {
        let acme = Acme::prepare(config, &data.acme(), Arc::clone(clock))?;
        return Ok(Shown {
            certificates: Some(Arc::clone(acme.certificates())),
            renewal: Box::pin(acme.keep()),
        });
    }
    Ok(Shown {
        certificates: server.tls.as_ref().map(Certificates::load).transpose()?,
        renewal: Box::pin(std::future::ready(())),
    })
}
