//! A plugin as a test installs it: a copy of one from the repository, changed where the test wants it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::built::{FIXTURES, PLUGINS};

/// A plugin to be installed.
#[derive(Clone, Debug)]
pub struct Plugin {
    name: String,
    source: PathBuf,
    component: PathBuf,
    edits: Vec<(String, String)>,
    appended: String,
    schema: Option<String>,
}

impl Plugin {
    /// One of `plugins/` or of `tests/fixtures/`.
    pub fn named(name: &str) -> Self {
        let components = if FIXTURES.path().join(name).is_dir() {
            &FIXTURES
        } else {
            &PLUGINS
        };
        Self {
            name: name.to_owned(),
            source: components.path().join(name),
            component: components.component(name),
            edits: Vec::new(),
            appended: String::new(),
            schema: None,
        }
    }

    /// The same plugin with another schema for its only resource.
    #[must_use]
    pub fn with_schema(mut self, schema: &Value) -> Self {
        self.schema = Some(schema.to_string());
        self
    }

    /// The same plugin with `from` replaced by `to` in its `plugin.toml`.
    #[must_use]
    pub fn with(mut self, from: &str, to: &str) -> Self {
        self.edits.push((from.to_owned(), to.to_owned()));
        self
    }

    /// The same plugin, whose only resource has these access words.
    #[must_use]
    pub fn allowing(self, access: &str) -> Self {
        let file = self.source.join("plugin.toml");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let words = text.lines().find(|line| line.starts_with("access = "));
        let words = words.unwrap_or_else(|| panic!("{} has no access words", file.display()));
        self.with(words, &format!("access = {access}"))
    }

    /// The same plugin with more at the end of its `plugin.toml`.
    #[must_use]
    pub fn with_more(mut self, text: &str) -> Self {
        self.appended.push_str(text);
        self
    }

    /// The same plugin with its only resource under another name.
    #[must_use]
    pub fn serving(self, from: &str, to: &str) -> Self {
        self.with(
            &format!("[[resource]]\nname = \"{from}\""),
            &format!("[[resource]]\nname = \"{to}\""),
        )
    }

    /// The same plugin under another name, as `[plugin] name` and as the folder.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        let (from, to) = (
            format!("[plugin]\nname = \"{}\"", self.name),
            format!("[plugin]\nname = \"{name}\""),
        );
        self.name = name.to_owned();
        self.with(&from, &to)
    }

    /// The same plugin with other bytes as its component.
    #[must_use]
    pub fn with_component(mut self, file: &Path) -> Self {
        self.component = file.to_owned();
        self
    }

    /// The folder with its manifest and schemas.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Its component, as the build left it.
    pub fn component(&self) -> &Path {
        &self.component
    }

    /// Puts manifest, schemas and component into `directory/NAME`.
    pub(crate) fn install(&self, directory: &Path) {
        let target = directory.join(&self.name);
        copy(&self.source, &target).unwrap_or_else(|error| panic!("{}: {error}", self.source.display()));
        let manifest = target.join("plugin.toml");
        let mut text = fs::read_to_string(&manifest).expect("a plugin has a plugin.toml");
        for (from, to) in &self.edits {
            assert!(text.contains(from), "{} does not say {from:?}", manifest.display());
            text = text.replacen(from, to, 1);
        }
        if let Some(schema) = &self.schema {
            let file = "schemas/of-the-test.json";
            let named = text.lines().find(|line| line.starts_with("schema = "));
            let named = named.expect("a resource has a schema").to_owned();
            text = text.replace(&named, &format!("schema = \"{file}\""));
            fs::write(target.join(file), schema).expect("a scratch directory takes files");
        }
        text.push_str(&self.appended);
        fs::write(&manifest, text).expect("a scratch directory takes files");
        fs::copy(&self.component, target.join(format!("{}.wasm", self.name)))
            .unwrap_or_else(|error| panic!("{}: {error}", self.component.display()));
    }
}

/// Copies a plugin's folder, without its sources and what was built from them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), target)?;
        } else if entry.file_name() != "src" && entry.file_name() != "target" {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}
