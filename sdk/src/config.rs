//! Settings that the operator wrote for this plugin: `[plugins.NAME.settings]` in `portcullis.toml`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::{Problem, Result, host};

/// The setting, or none.
pub fn get(key: &str) -> Result<Option<String>> {
    host::config::get(key)
}

/// The setting read as a type, or none; a setting that does not fit is the operator's mistake, and a 500 that names it.
///
/// ```
/// # let host = portcullis_sdk::testing::Host::new().setting("max_lines", "50");
/// # host.call(|| {
/// let max_lines = portcullis_sdk::config::parse::<usize>("max_lines")?.unwrap_or(100);
/// # assert_eq!(max_lines, 50);
/// # Ok(()) }).unwrap();
/// ```
pub fn parse<T: FromStr<Err: Display>>(key: &str) -> Result<Option<T>> {
    let Some(text) = get(key)? else { return Ok(None) };
    let value = text
        .parse()
        .map_err(|error| Problem::other(format!("The setting {key} = {text:?} is wrong: {error}.")))?;
    Ok(Some(value))
}

/// All settings.
pub fn all() -> Result<BTreeMap<String, String>> {
    host::config::get_all()
}
