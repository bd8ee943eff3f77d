//! The data directory: who may look into it, and the secrets that the host makes for itself.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use crate::config::{read_secret, write_secret};

/// The data directory of a host.
pub(super) struct DataDirectory(PathBuf);

impl DataDirectory {
    /// Makes the directory where it is missing; only its owner may look into it.
    pub(super) fn prepare(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Whether a store is in the directory.
    pub(super) fn has_store(path: &Path) -> bool {
        path.join("db").exists()
    }

    /// Where the store is.
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("db")
    }

    /// The same, made where it is missing; only its owner may look at it.
    pub(super) fn prepared_store(&self) -> io::Result<PathBuf> {
        self.folder("db")
    }

    /// Where compiled code is kept.
    pub(super) fn code(&self) -> PathBuf {
        self.0.join("code")
    }

    /// Where a certificate is kept that an authority has given.
    #[cfg(feature = "acme")]
    pub(super) fn acme(&self) -> PathBuf {
        self.0.join("acme")
    }

    /// Where mails become files while there is no mail server. Only their owner may look at them, whoever may look into the data
    /// directory: there are links in them.
    pub(super) fn mail(&self) -> io::Result<PathBuf> {
        self.folder("mail")
    }

    fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(path)
    }

    /// The operator's token, made at the first start: 256 random bits in hexadecimal digits.
    pub(super) fn operator_token(&self) -> io::Result<String> {
        let text = self.secret("operator-token", || Ok(format!("{}\n", hex(&random()?)).into_bytes()))?;
        let text = String::from_utf8(text).map_err(|_| io::Error::other("operator-token is not text"))?;
        let token = text.trim();
        if token.len() < 32 {
            return Err(io::Error::other(
                "operator-token is too short: remove the file, and a new one is made",
            ));
        }
        Ok(token.to_owned())
    }

    /// The key that seals the cursors of lists, made at the first start.
    pub(super) fn cursor_key(&self) -> io::Result<[u8; 32]> {
        let key = self.secret("cursor-key", || Ok(random()?.to_vec()))?;
        key.try_into()
            .map_err(|_| io::Error::other("cursor-key does not hold 32 bytes: remove the file, and a new one is made"))
    }

    /// The keys that seal the seeds of second factors, made at the first start.
    pub(super) fn seed_keys(&self) -> io::Result<Vec<u8>> {
        self.secret("seed-keys", || {
            Ok(format!("{}\n", BASE64.encode(&random()?)).into_bytes())
        })
    }

    /// The key that signs receipts, made at the first start.
    pub(super) fn receipt_key(&self, make: impl FnOnce() -> Result<Vec<u8>, String>) -> io::Result<Vec<u8>> {
        self.secret("receipt-key", || make().map_err(io::Error::other))
    }

    /// The content of a file that only its owner may read; `make` gives it where there is no file yet.
    fn secret(&self, name: &str, make: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
        let path = self.0.join(name);
        match read_secret(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let content = make()?;
                let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
                write_secret(&path, &content).map_err(about)?;
                Ok(content)
            }
            read => read,
        }
    }
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::prepare(&folder.path().join("data")).unwrap();
        let token = data.operator_token().unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(data.operator_token().unwrap(), token);
        let mode = fs::metadata(folder.path().join("data/operator-token"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::prepare(folder.path()).unwrap();
        data.cursor_key().unwrap();
        fs::set_permissions(folder.path().join("cursor-key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(data.cursor_key().unwrap_err().to_string().contains("chmod 600"));
    }
}
