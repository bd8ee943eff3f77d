//! The words of serde and toml, in terms of someone who edits a TOML file.

/// Splits a message into what is wrong and what to write instead.
pub(super) fn of(message: &str) -> (String, Option<String>) {
    if let Some((key, expected)) = between(message, "unknown field `", "`, expected ") {
        return unknown("key", key, &quoted(expected));
    }
    if let Some((key, _)) = between(message, "unknown field `", "`, there are no fields") {
        return unknown("key", key, &[]);
    }
    if let Some((word, expected)) = between(message, "unknown variant `", "`, expected ") {
        return unknown("word", word, &quoted(expected));
    }
    if let Some((key, _)) = between(message, "missing field `", "`") {
        let help = match key {
            "plugin" => "add the table `[plugin]` with `name` and `version`".to_owned(),
            _ => format!("add `{key} = ...` here"),
        };
        return (format!("`{key}` is missing"), Some(help));
    }
    if let Some((found, expected)) = between(message, "invalid type: ", ", expected ") {
        return (
            format!("{found} is not what belongs here"),
            Some(format!("write {}", kind(expected))),
        );
    }
    (message.to_owned(), None)
}

/// The complaint about a key or a word that does not exist, with the nearest of those that do.
pub(crate) fn unknown(what: &str, given: &str, known: &[&str]) -> (String, Option<String>) {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(given, candidate), candidate))
        // A third of it may be wrong; `anybody` is not far from `nobody`, and means the opposite.
        .filter(|(distance, candidate)| distance * 3 < candidate.len())
        .min();
    let help = match (nearest, known) {
        (Some((_, candidate)), _) => format!("did you mean `{candidate}`?"),
        (None, []) => format!("remove it; no {what} belongs here"),
        (None, [only]) => format!("write `{only}`"),
        (None, [..]) => format!("write one of `{}`", known.join("`, `")),
    };
    (format!("unknown {what} `{given}`"), Some(help))
}

/// `"prefix A separator B"` as `(A, B)`.
fn between<'a>(message: &'a str, prefix: &str, separator: &str) -> Option<(&'a str, &'a str)> {
    message.strip_prefix(prefix)?.split_once(separator)
}

/// The words in backticks.
fn quoted(list: &str) -> Vec<&str> {
    list.split('`').skip(1).step_by(2).collect()
}

fn kind(expected: &str) -> &str {
    match expected {
        "i64" | "u64" | "u32" | "u16" => "an integer",
        "a sequence" => "an array: `[...]`, or a table that may come several times: `[[...]]`",
        "a map" => "a table: `{ ... }`",
        "a boolean" => "`true` or `false`",
        "a string" => "a string: `\"...\"`",
        other if other.starts_with("struct ") => "a table: `{ ... }`",
        other => other,
    }
}
