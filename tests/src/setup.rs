//! What a host is started with.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Host, Plugin, built};

/// What a host is started with: plugins, configuration, flags, and directories of its own.
#[derive(Debug)]
pub struct Setup {
    pub(crate) directory: TempDir,
    pub(crate) listen: String,
    pub(crate) admin_listen: String,
    pub(crate) flags: Vec<String>,
    pub(crate) environment: Vec<(String, OsString)>,
    pub(crate) binary: Option<PathBuf>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let setup = Self {
            directory: built::scratch(),
            listen: "127.0.0.1:0".to_owned(),
            admin_listen: "127.0.0.1:0".to_owned(),
            flags: Vec::new(),
            environment: Vec::new(),
            binary: None,
        };
        fs::create_dir(setup.plugins()).expect("a scratch directory takes folders");
        setup.with_config("")
    }

    /// With these plugins of the repository or of the fixtures.
    #[must_use]
    pub fn with_plugins<const N: usize>(self, names: [&str; N]) -> Self {
        names
            .into_iter()
            .fold(self, |setup, name| setup.with_plugin(&Plugin::named(name)))
    }

    /// With this plugin.
    #[must_use]
    pub fn with_plugin(self, plugin: &Plugin) -> Self {
        plugin.install(&self.plugins());
        self
    }

    /// With this text as `portcullis.toml`.
    #[must_use]
    pub fn with_config(self, text: &str) -> Self {
        fs::write(self.config(), text).expect("a scratch directory takes files");
        self
    }

    /// With this text as `policies/NAME`, which a configuration may name as `[policy] directory`.
    #[must_use]
    pub fn with_policies(self, name: &str, text: &str) -> Self {
        fs::create_dir_all(self.policies()).expect("a scratch directory takes folders");
        fs::write(self.policies().join(name), text).expect("a scratch directory takes files");
        self
    }

    /// With a flag for `portcullis run`.
    #[must_use]
    pub fn with_flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// With the API on another address than the loopback; port 0 takes a free one.
    #[must_use]
    pub fn listening_on(mut self, address: &str) -> Self {
        self.listen = address.to_owned();
        self
    }

    /// The same with the admin API.
    #[must_use]
    pub fn administered_on(mut self, address: &str) -> Self {
        self.admin_listen = address.to_owned();
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &(impl AsRef<OsStr> + ?Sized)) -> Self {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// With another binary than the one that cargo built with the tests.
    #[must_use]
    pub fn with_binary(mut self, binary: &Path) -> Self {
        self.binary = Some(binary.to_owned());
        self
    }

    /// Starts the host and waits until it listens; fails the test where it does not.
    #[track_caller]
    pub fn start(self) -> Host {
        Host::start(self)
    }

    /// Starts a host that is expected to give up; returns what it said on stderr.
    #[track_caller]
    pub fn start_in_vain(self) -> String {
        match Host::try_start(self) {
            Ok(_) => panic!("the host started"),
            Err(said) => said,
        }
    }

    /// A directory for whatever the test has to put somewhere.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The plugin directory.
    pub fn plugins(&self) -> PathBuf {
        self.path("plugins")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The folder of `with_policies`.
    pub fn policies(&self) -> PathBuf {
        self.path("policies")
    }

    /// `portcullis.toml`.
    pub fn config(&self) -> PathBuf {
        self.path("portcullis.toml")
    }

    /// The binary to run.
    pub(crate) fn binary(&self) -> PathBuf {
        self.binary.clone().unwrap_or_else(built::binary)
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.directory.path(), name)
    }
}
