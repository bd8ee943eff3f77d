//! `portcullis check`: what a component exports and imports, what it is granted, and what it is denied.

mod report;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;

use super::admin::block_on;
use super::failure::Failure;
use super::options::Files;
use super::output::Output;
use crate::config::{self, Config};
use crate::manifest::{self, Instances, Manifest};
use crate::policy::grants;
use crate::sandbox::{Guest, Sandbox, SandboxSettings};
use report::{Component, Report};

/// Show what a component exports and imports, what it is granted, and what it is denied.
///
/// The component is compiled and instantiated as the host would do it, within the limits of `[sandbox]`. For each wish of its
/// manifest that is not granted, the line for portcullis.toml that would allow it is shown.
#[derive(Args)]
#[command(after_help = "Exit codes:
  0  the component can run, and gets all that it wants
  1  it can't run, or something that it wants is denied
  2  the command line is wrong")]
pub(super) struct Check {
    /// The component
    file: PathBuf,
    /// The folder with its plugin.toml [default: the component's, or the plugin's folder of the workspace that built it]
    #[arg(long, value_name = "DIR")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    output: Output,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.files.load()?;
        let wasm = read(&self.file, config.sandbox.component_mib)
            .map_err(|error| Failure::Failed(format!("cannot read {}: {error}", self.file.display())))?;
        let folder = match &self.manifest {
            Some(folder) => folder.clone(),
            None => manifest_folder(&self.file)?,
        };
        let manifest = Manifest::load(&folder)?;
        let guest = block_on(load(wasm.into(), &config))?;
        let grant = config.grants.get(&manifest.name).cloned().unwrap_or_default();
        let report = Report {
            component: Component::of(&guest),
            powers: grants::crud_powers(&manifest, &grant),
            limits: manifest.limits.capped(&config.limits),
            manifest,
        };
        self.output.print(&report.json(), |_| report.to_string())?;
        match report.powers.denied.is_empty() {
            true => Ok(()),
            false => Err(Failure::Said),
        }
    }
}

/// The file, or enough of it to be refused for its size.
fn read(file: &Path, limit_mib: u32) -> io::Result<Vec<u8>> {
    let mut wasm = Vec::new();
    let most = (u64::from(limit_mib) << 20) + 1;
    File::open(file)?.take(most).read_to_end(&mut wasm)?;
    if wasm.starts_with(b"\0asm") {
        return Ok(wasm);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "this is no WebAssembly"))
}

/// Compiles and instantiates the component; the compiled code is thrown away.
async fn load(wasm: Bytes, config: &Config) -> Result<Guest, Failure> {
    let code =
        tempfile::tempdir().map_err(|error| Failure::Failed(format!("no directory for compiled code: {error}")))?;
    let settings = SandboxSettings {
        section: config::Sandbox {
            instances: 1,
            ..config.sandbox.clone()
        },
        most: config.limits.clone(),
        ..SandboxSettings::new(code.path().to_owned())
    };
    let sandbox = Sandbox::new(settings).map_err(|error| Failure::Failed(error.to_string()))?;
    let loaded = sandbox.load(wasm, Instances::Fresh).await;
    loaded.map_err(|error| Failure::Failed(error.to_string()))
}

/// Where the manifest of a component is: beside it, or in the workspace that has built it into its `target`.
fn manifest_folder(file: &Path) -> Result<PathBuf, Failure> {
    let beside = file.parent().map(Path::to_owned).unwrap_or_default();
    let in_workspace = file
        .ancestors()
        .find(|ancestor| ancestor.file_name() == Some(OsStr::new("target")))
        .and_then(Path::parent)
        .zip(file.file_stem().and_then(OsStr::to_str))
        .map(|(workspace, stem)| workspace.join(stem.replace('_', "-")));
    let mut candidates = [Some(beside), in_workspace].into_iter().flatten();
    candidates
        .find(|folder| folder.join(manifest::FILE_NAME).is_file())
        .ok_or_else(|| {
            Failure::Failed(format!(
                "no plugin.toml is beside {}; name its folder with --manifest",
                file.display()
            ))
        })
}
