//! What has to be built before a host can start: the binary, which cargo builds with the tests, and the components.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use portcullis::cli::toolchain;
use tempfile::TempDir;

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What the package of the tests calls its binary.
const BINARY: &str = if cfg!(feature = "among-peers") {
    "portcullis-among-peers"
} else {
    "portcullis-under-test"
};

/// The binary under test, which cargo builds before any test of this package.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in TARGET/PROFILE/deps");
    let binary = profile.join(BINARY);
    assert!(binary.is_file(), "cargo has not built {}", binary.display());
    binary
}

/// A directory that is removed when the value is dropped.
pub fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("portcullis-test-")
        .tempdir()
        .expect("the temporary directory takes a new one")
}

/// A workspace of components, built on first use.
pub(crate) struct Components {
    folder: &'static str,
    built: Mutex<bool>,
}

/// The plugins that the repository ships.
pub(crate) static PLUGINS: Components = Components::of("plugins");

/// The plugins that exist for the tests.
pub(crate) static FIXTURES: Components = Components::of("tests/fixtures");

impl Components {
    const fn of(folder: &'static str) -> Self {
        Self {
            folder,
            built: Mutex::new(false),
        }
    }

    /// The folder with one folder for each plugin.
    pub(crate) fn path(&self) -> PathBuf {
        repository().join(self.folder)
    }

    /// The component of a plugin, built where it is not up to date.
    pub(crate) fn component(&self, plugin: &str) -> PathBuf {
        let mut built = self
            .built
            .lock()
            .expect("no build panics while it holds the lock, but for a failed one");
        if !*built {
            self.build();
            *built = true;
        }
        let file = format!("{}.wasm", plugin.replace('-', "_"));
        self.path()
            .join("target")
            .join(toolchain::WASM_TARGET)
            .join("release")
            .join(file)
    }

    fn build(&self) {
        let mut say = |line: &str| eprintln!("{line}");
        let built = toolchain::ensure_wasm_target(&mut say).and_then(|()| toolchain::build_workspace(&self.path()));
        built.unwrap_or_else(|error| panic!("{error}"));
    }
}
