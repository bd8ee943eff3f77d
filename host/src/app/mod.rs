//! The composition root: the only place that names every layer.

mod admin;
mod certificate;
mod exposure;
mod files;
mod maintenance;
mod secrets;
mod seed;
mod settings;
mod signals;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use maintenance::{Reached, accounts, restore, verify};
pub use seed::{Seeding, folders as plugin_folders};

use crate::accounts::{Accounts, MAIL};
use crate::capabilities::catalogue::{Catalogue, CatalogueError};
use crate::capabilities::documents::Cursors;
use crate::config::{Config, Data, EngineKind, Policy, Server};
use crate::dispatch::versions::VersionError;
use crate::dispatch::{Dispatch, Parts};
use crate::http::{self, BadCertificate, Http, Listener, Providers};
use crate::manifest::Diagnostics;
use crate::sandbox::{Compiler, Sandbox, SandboxError, SandboxSettings};
use crate::storage::clock::{Clock, SystemClock};
use crate::storage::engine::Engine;
use crate::storage::{disk, memory};
use crate::workers;
use crate::workers::mail::{BadMail, Mailer};
use crate::workers::outbox::Targets;

use self::admin::Admin;
use self::certificate::Shown;
use self::exposure::Exposed;
use self::files::DataDirectory;
use self::signals::Signals;

/// Reads the configuration again; an error is told as it is.
pub type Reload = Box<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// What a host is started with.
pub struct Options {
    /// The configuration, with what the command line says folded in.
    pub config: Config,
    /// Reads the configuration again, the same way: what a reload does.
    pub reload: Reload,
    /// The plugin directory.
    pub plugins: PathBuf,
    /// Which version of a plugin runs.
    pub seeding: Seeding,
}

/// Where a host listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The API.
    pub api: SocketAddr,
    /// The admin API.
    pub admin: SocketAddr,
    /// Whether the API is served over TLS.
    pub is_api_secure: bool,
    /// Whether the admin API is.
    pub is_admin_secure: bool,
}

impl Addresses {
    /// Where the API is.
    pub fn api_url(&self) -> String {
        url(self.is_api_secure, self.api)
    }

    /// Where the admin API is.
    pub fn admin_url(&self) -> String {
        url(self.is_admin_secure, self.admin)
    }
}

fn url(is_secure: bool, address: SocketAddr) -> String {
    let scheme = if is_secure { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// What is said of a host once it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it listens.
    pub addresses: Addresses,
    /// Where the first administrator is made, while there was none.
    pub setup: Option<String>,
}

/// Why a host did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the store.
    #[error("the data directory {}: {error}", directory.display())]
    Data {
        /// Which one.
        directory: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// A copy that is to be restored.
    #[error("restoring {} into {}: {error}", copy.display(), directory.display())]
    Copy {
        /// The copy.
        copy: PathBuf,
        /// Where the store is.
        directory: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// A listener.
    #[error(
        "cannot listen on {address}: {error}; --listen and --admin-listen, or [server] of the configuration, name another address"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// What a listener would give away.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The certificate of the listeners.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// The authority that the certificate is to come from.
    #[cfg(feature = "acme")]
    #[error(transparent)]
    Acme(#[from] http::AcmeError),
    /// The same, where this program can't ask one.
    #[cfg(not(feature = "acme"))]
    #[error(
        "[server.acme]: this program was built without ACME: build it with `cargo build --release --features acme`, or name the \
         files of a certificate in [server.tls]"
    )]
    WithoutAcme,
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The files of a plugin.
    #[error("{0}")]
    Plugin(String),
    /// The operator's policies.
    #[error(transparent)]
    Policies(#[from] Diagnostics),
    /// A stored plugin.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The accounts.
    #[error("{0}")]
    Accounts(String),
    /// The providers that people may sign in with.
    #[error("{0}")]
    Oidc(String),
    /// The mail.
    #[error(transparent)]
    Mail(#[from] BadMail),
    /// The signals.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// A listener, while it served.
    #[error(transparent)]
    Listener(#[from] http::ListenerFailed),
}

/// Makes the data directory where it is missing, and says whether there is a store in it.
pub fn prepare_data(directory: &Path) -> io::Result<bool> {
    DataDirectory::prepare(directory)?;
    Ok(DataDirectory::has_store(directory))
}

/// Starts a host, says where it listens once it is ready, and returns when it has stopped.
pub async fn run(options: Options, ready: oneshot::Sender<Ready>) -> Result<(), StartError> {
    let Options {
        config,
        reload,
        plugins,
        seeding,
    } = options;
    let signals = Signals::listen().map_err(StartError::Signals)?;
    let about_data = |error| StartError::Data {
        directory: config.data.directory.clone(),
        error,
    };
    exposure::check(&config.server)?;
    warn_of_proxies(&config.server);
    // Before anything else: a second host on the same ports makes no data directory of its own.
    let api = bind(config.server.listen, &config.server)?;
    let admin_api = bind(config.server.admin_listen, &config.server)?;
    let mut addresses = Addresses {
        api: local(&api, config.server.listen)?,
        admin: local(&admin_api, config.server.admin_listen)?,
        is_api_secure: config.server.is_secure(),
        is_admin_secure: false,
    };
    // On this machine its commands reach the admin listener without TLS.
    addresses.is_admin_secure = addresses.is_api_secure && exposure::is_public(addresses.admin);

    let data = DataDirectory::prepare(&config.data.directory).map_err(about_data)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Shown { certificates, renewal } = certificate::shown(&config.server, &data, &clock)?;
    let api = Listener::new(api, certificates.as_ref())?;
    let admin_api = Listener::new(admin_api, certificates.as_ref().filter(|_| addresses.is_admin_secure))?;
    let token = data.operator_token().map_err(about_data)?;
    let cursors = Arc::new(Cursors::new(data.cursor_key().map_err(about_data)?));
    let engine = open(&config.data, &data).map_err(about_data)?;

    let config = Arc::new(config);
    let catalogue = Arc::new(Catalogue::load(Arc::clone(&engine), clock.now_ms()).await?);
    let sandbox = Sandbox::new(SandboxSettings {
        code_directory: data.code(),
        compiler: Compiler::CurrentProgram,
        section: config.sandbox.clone(),
        most: config.limits.clone(),
    })?;
    let parts = Parts {
        engine,
        catalogue: Arc::clone(&catalogue),
        sandbox,
        cursors,
        clock: Arc::clone(&clock),
        // Policies can name the resources of all plugins, so they come once these are installed, and before anybody is served.
        config: Arc::new(Config {
            policy: Policy::default(),
            ..(*config).clone()
        }),
    };
    let dispatch = Arc::new(Dispatch::new(parts));
    let refused = seed::install_all(&dispatch, &plugins, seeding, &config.sandbox, clock.now_ms()).await?;
    dispatch.reconfigure(Arc::clone(&config)).await?;

    admin::without_plugin(&dispatch, &config);
    let admin = Arc::new(Admin::new(
        Arc::clone(&dispatch),
        refused,
        Arc::clone(&config),
        reload,
        // What an authority sends is read when it comes.
        certificates.filter(|_| config.server.acme.is_none()),
        Arc::clone(&clock),
    ));
    let audited = admin.audit_start().await;
    audited.map_err(|error| StartError::Accounts(format!("the audit log: {error}")))?;
    let accounts = Accounts::new(
        Arc::clone(catalogue.engine()),
        Arc::clone(&clock),
        config.accounts.clone(),
        secrets::load(&config, &data)?,
    );
    let accounts = Arc::new(accounts.map_err(StartError::Accounts)?);
    let about_accounts = |error: crate::accounts::Error| StartError::Accounts(error.to_string());
    let resealed = accounts.reseal().await.map_err(about_accounts)?;
    if resealed > 0 {
        tracing::info!(target: "accounts", resealed, "the seeds of second factors are sealed with the first key now");
    }
    let public_url = public_url(&config, &addresses);
    let setup = accounts.offer_setup().await.map_err(about_accounts)?;
    let setup = setup.map(|path| format!("{public_url}{path}"));
    let providers = Providers::new(&config.oidc, config.server.public_url.as_deref()).map_err(StartError::Oidc)?;
    let http = Http::new(
        &config,
        dispatch,
        Arc::clone(&accounts),
        Arc::clone(&clock),
        Arc::clone(&admin) as _,
        providers,
        &token,
    );
    let http = Arc::new(http);
    let workers = workers::start(&catalogue, &accounts, targets(&config, &data, &public_url)?, &clock);
    // Nobody may be waiting for it: then it is not missed.
    let _ = ready.send(Ready { addresses, setup });
    let renewing = tokio::spawn(renewal);
    let served = http::serve(http, api, admin_api, signals.until_stop(admin)).await;
    renewing.abort();
    drop(workers);
    Ok(served?)
}

/// Where people reach the API.
fn public_url(config: &Config, addresses: &Addresses) -> String {
    let given = config.server.public_url.clone();
    given.unwrap_or_else(|| addresses.api_url())
}

/// Who does what waits in the outbox.
fn targets(config: &Config, data: &DataDirectory, public_url: &str) -> Result<Targets, StartError> {
    let folder = data.mail().map_err(|error| StartError::Data {
        directory: config.data.directory.clone(),
        error,
    })?;
    let mailer = Mailer::new(&config.mail, &folder, public_url)?;
    Ok(Targets::from([(MAIL, Arc::new(mailer) as _)]))
}

/// Opens the store.
fn open(data: &Data, directory: &DataDirectory) -> io::Result<Arc<dyn Engine>> {
    Ok(match data.engine {
        EngineKind::Sled => Arc::new(disk::open(
            &directory.prepared_store()?,
            u64::from(data.cache_mib) << 20,
        )?),
        EngineKind::Memory => Arc::new(memory::open()?),
    })
}

/// A proxy that is not named looks like one client with all the others' requests.
fn warn_of_proxies(server: &Server) {
    if server.behind_proxy && server.trusted_proxies.is_empty() {
        tracing::warn!(
            target: "http",
            "behind a proxy that [server] trusted_proxies does not name: all clients have the proxy's address and share its \
             rates and connections"
        );
    }
}

fn bind(address: SocketAddr, server: &Server) -> Result<TcpListener, StartError> {
    http::bind(address, server.connections).map_err(|error| StartError::Listen { address, error })
}

fn local(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|error| StartError::Listen { address, error })
}
