//! Options that several commands share.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use crate::config::{self, Config};

/// Where a host's files are.
#[derive(Args, Clone)]
pub(super) struct Files {
    /// The configuration [default: ./portcullis.toml, where there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The data directory [default: `[data] directory` of the configuration, or else ./data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

impl Files {
    /// The configuration's file, where there is one.
    pub(super) fn config_path(&self) -> Option<PathBuf> {
        let usual = || Path::new(config::FILE_NAME).is_file().then(|| config::FILE_NAME.into());
        self.config.clone().or_else(usual)
    }

    /// The configuration, with the data directory that is meant.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let mut config = match self.config_path() {
            Some(path) => Config::load(&path)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.data.directory.clone_from(data);
        }
        Ok(config)
    }
}

/// What `run` and `dev` are told.
#[derive(Args, Clone)]
pub(super) struct Host {
    #[command(flatten)]
    pub(super) files: Files,
    /// The directory with a folder for each plugin [default: ./plugins]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Where the API listens; port 0 takes a free one [default: `[server] listen`, or else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the admin API listens [default: `[server] admin_listen`, or else 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<SocketAddr>,
    /// A proxy ends TLS in front of the API, which may listen on a public address without it [default: `[server] behind_proxy`]
    #[arg(long)]
    behind_proxy: bool,
}

impl Host {
    /// The plugin directory. The usual one may be missing, one that is named may not.
    pub(super) fn plugins(&self) -> Result<PathBuf, Failure> {
        match &self.plugins {
            Some(named) if !named.is_dir() => {
                let reason = format!("there is no directory {}, which --plugins names", named.display());
                Err(Failure::Usage(reason))
            }
            Some(named) => Ok(named.clone()),
            None => Ok(PathBuf::from("plugins")),
        }
    }

    /// The configuration with what the flags say instead.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        let mut config = self.files.load()?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        config.server.admin_listen = self.admin_listen.unwrap_or(config.server.admin_listen);
        config.server.behind_proxy |= self.behind_proxy;
        Ok(config)
    }
}
