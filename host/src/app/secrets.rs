//! What accounts need that is kept outside the store.

use std::io;

use super::StartError;
use super::files::DataDirectory;
use crate::accounts::{Blocklist, ReceiptKey, Secrets, SeedKeys};
use crate::config::{Config, read_secret};

/// The variable that goes before every file of seed keys.
const SEED_KEYS: &str = "PORTCULLIS_SEED_KEYS";
/// What people know a host as that has no public URL.
const NAME: &str = "Portcullis";

/// The secrets of a host: its seed keys from the environment, from the file that is named, or from the data directory.
pub(super) fn load(config: &Config, data: &DataDirectory) -> Result<Secrets, StartError> {
    let second_factor = &config.accounts.second_factor;
    let (place, text) = match (std::env::var_os(SEED_KEYS), &second_factor.key_file) {
        (Some(text), _) => (SEED_KEYS.to_owned(), Ok(text.into_encoded_bytes())),
        (None, Some(path)) => (path.display().to_string(), read_secret(path)),
        (None, None) => ("seed-keys".to_owned(), data.seed_keys()),
    };
    let about = |reason: String| StartError::Accounts(format!("the keys of second factors, {place}: {reason}"));
    let text = text.and_then(|text| String::from_utf8(text).map_err(io::Error::other));
    let text = text.map_err(|error| about(error.to_string()))?;
    let host = config
        .server
        .public_url
        .as_deref()
        .and_then(|url| url.split("://").nth(1));
    Ok(Secrets {
        seeds: SeedKeys::parse(&text).map_err(about)?,
        receipts: receipts(data).map_err(|reason| StartError::Accounts(format!("receipt-key: {reason}")))?,
        name: second_factor.issuer.as_deref().or(host).unwrap_or(NAME).to_owned(),
        public_url: config.server.public_url.clone(),
        blocklist: blocklist(config)?,
    })
}

fn blocklist(config: &Config) -> Result<Blocklist, StartError> {
    let Some(path) = &config.accounts.passwords.blocklist else {
        return Ok(Blocklist::default());
    };
    let about = |error| StartError::Accounts(format!("the list of passwords, {}: {error}", path.display()));
    Blocklist::read(path).map_err(about)
}

fn receipts(data: &DataDirectory) -> Result<ReceiptKey, String> {
    let key = data
        .receipt_key(ReceiptKey::generate)
        .map_err(|error| error.to_string())?;
    ReceiptKey::read(&key)
}
