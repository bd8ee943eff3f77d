//! Reading single values, with complaints about those that are out of bounds.

use std::ops::RangeInclusive;

use toml::Spanned;

use crate::manifest::{Source, is_plugin_name, unknown};

/// A number as it is written.
pub(super) type RawNumber = Option<Spanned<i64>>;
/// A text as it is written.
pub(super) type RawText = Option<Spanned<String>>;

/// Sets `target` where a number is given and within bounds.
pub(super) fn number(given: RawNumber, bounds: RangeInclusive<u32>, target: &mut u32, source: &mut Source<'_>) {
    let Some(given) = given else { return };
    match u32::try_from(*given.get_ref()) {
        Ok(number) if bounds.contains(&number) => *target = number,
        _ => {
            let help = format!("write a number from {} to {}", bounds.start(), bounds.end());
            source.complain(
                given.span(),
                format!("{} is out of bounds", given.get_ref()),
                Some(help),
            );
        }
    }
}

/// Sets `target` where one of the words of `known` is given.
pub(super) fn word<T: Copy>(given: RawText, known: &[(&str, T)], target: &mut T, source: &mut Source<'_>) {
    let Some(given) = given else { return };
    match known.iter().find(|(word, _)| word == given.get_ref()) {
        Some((_, value)) => *target = *value,
        None => {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let (message, help) = unknown("word", given.get_ref(), &words);
            source.complain(given.span(), message, help);
        }
    }
}

/// Complains where this can't be a plugin's name.
pub(super) fn plugin_name(name: &Spanned<String>, source: &mut Source<'_>) {
    if !is_plugin_name(name.get_ref()) {
        let help = "write the name as it is in the plugin's plugin.toml".to_owned();
        source.complain(
            name.span(),
            format!("`{}` is not a plugin's name", name.get_ref()),
            Some(help),
        );
    }
}
