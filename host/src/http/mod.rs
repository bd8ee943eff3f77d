//! The HTTP contract: the way of a request from the listener to the reply. The only user of hyper's server.
//!
//! Routes are found by a `match` over the segments of the path instead of a router library: they stand on one page all
//! the same, and finding one allocates nothing.

#[cfg(any(feature = "acme", test))]
mod acme;
mod background;
mod batch;
mod body;
mod call;
mod client;
mod compress;
mod conditional;
mod cookie;
mod cors;
mod export;
mod handle;
mod head;
mod hsts;
mod idempotency;
mod identify;
mod listener;
mod media;
mod oidc;
mod paging;
mod patience;
mod problem;
mod proxy;
mod query;
mod render;
mod request;
mod respond;
mod router;
mod routes;
mod stack;
mod tally;
mod telling;
mod throttle;
mod tls;
mod trace;
mod xml;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(any(feature = "acme", test))]
pub use acme::{Acme, AcmeError};
pub use body::Chunks;
pub use listener::{Listener, ListenerFailed, bind, serve};
pub use oidc::Providers;
pub use render::document as document_text;
pub use routes::accounts::described as account_value;
pub use routes::admin::{AdminActions, AdminError};
pub use routes::audit::described as audit_value;
pub use routes::auth::account::receipt as receipt_value;
pub use routes::outbox::NO_SUCH_LETTER;
pub use tls::{BadCertificate, Certificates};

use crate::accounts::Accounts;
use crate::config::{Config, Server};
use crate::dispatch::Dispatch;
use crate::storage::clock::Clock;
use crate::storage::outbox::Outbox;
use cors::Cors;
use hsts::Hsts;
use identify::Identity;
use patience::Unsent;
use proxy::Proxies;
use throttle::Throttle;

/// What the handlers share.
pub struct Http {
    server: Server,
    dispatch: Arc<Dispatch>,
    admin: Arc<dyn AdminActions>,
    accounts: Arc<Accounts>,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    identity: Identity,
    /// What browsers call this host, where it is known: the origin of its pages.
    origin: Option<String>,
    unsent: Unsent,
    proxies: Proxies,
    cors: Cors,
    hsts: Hsts,
    throttle: Throttle,
    providers: Providers,
    is_draining: AtomicBool,
}

impl Http {
    /// The HTTP layer over a dispatch and accounts. Whoever presents the operator's token may do everything.
    pub fn new(
        config: &Config,
        dispatch: Arc<Dispatch>,
        accounts: Arc<Accounts>,
        clock: Arc<dyn Clock>,
        admin: Arc<dyn AdminActions>,
        providers: Providers,
        operator_token: &str,
    ) -> Self {
        Self {
            server: config.server.clone(),
            admin,
            origin: config.server.public_url.clone(),
            identity: Identity::new(operator_token, Arc::clone(&accounts)),
            accounts,
            outbox: Outbox::of(Arc::clone(dispatch.engine())),
            clock,
            dispatch,
            unsent: Unsent::default(),
            proxies: Proxies::new(&config.server.trusted_proxies),
            cors: Cors::new(&config.server.cors),
            hsts: Hsts::new(&config.server),
            throttle: Throttle::new(&config.rates),
            providers,
            is_draining: AtomicBool::new(false),
        }
    }

    /// Where people reach a path. Without a public URL, they are where they asked.
    fn public(&self, path: &str) -> String {
        format!("{}{path}", self.server.public_url.as_deref().unwrap_or_default())
    }

    fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// The limits of a body on the API's listener.
    fn body_limits(&self) -> body::Limits {
        let timeout = Duration::from_millis(self.server.body_timeout_ms.into());
        body::Limits {
            bytes: self.server.body_kib as usize * 1024,
            timeout,
        }
    }
}
