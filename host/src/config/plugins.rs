//! `[plugins.NAME]`: settings, which a plugin reads through `wasi:config`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::reading::plugin_name;
use crate::manifest::Source;

/// How many settings a plugin may have.
const MAX_SETTINGS: usize = 256;
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 4_096;

/// What the operator says about one plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginConfig {
    /// What `wasi:config` answers.
    pub settings: BTreeMap<String, String>,
}

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(default)]
    settings: BTreeMap<Spanned<String>, Spanned<Value>>,
}

pub(super) fn read(raw: BTreeMap<Spanned<String>, Raw>, source: &mut Source<'_>) -> BTreeMap<String, PluginConfig> {
    let mut plugins = BTreeMap::new();
    for (name, raw) in raw {
        plugin_name(&name, source);
        let settings = settings(raw.settings, source);
        plugins.insert(name.into_inner(), PluginConfig { settings });
    }
    plugins
}

fn settings(raw: BTreeMap<Spanned<String>, Spanned<Value>>, source: &mut Source<'_>) -> BTreeMap<String, String> {
    if let Some(first_too_many) = raw.keys().nth(MAX_SETTINGS) {
        let help = format!("a plugin has at most {MAX_SETTINGS}");
        source.complain(first_too_many.span(), "too many settings", Some(help));
    }
    let mut settings = BTreeMap::new();
    for (key, value) in raw {
        if key.get_ref().is_empty() || key.get_ref().len() > MAX_KEY_BYTES {
            let help = format!("write 1 to {MAX_KEY_BYTES} bytes");
            source.complain(key.span(), "a key of this length", Some(help));
        }
        match text(value.get_ref()) {
            Some(text) if text.len() <= MAX_VALUE_BYTES => {
                settings.insert(key.into_inner(), text);
            }
            Some(_) => {
                let help = format!("write at most {MAX_VALUE_BYTES} bytes");
                source.complain(value.span(), "this value is too long", Some(help));
            }
            None => {
                let help = "write a string, a number, `true` or `false`; a plugin reads it as a string".to_owned();
                source.complain(value.span(), "a setting is one value", Some(help));
            }
        }
    }
    settings
}

/// A single value as the text that the plugin reads.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => return None,
    })
}
