//! The paths of the host's own router, read from its source: whatever is added there is found, and what can't be read fails the
//! test instead of being left out.

use std::collections::BTreeSet;

use super::table::Surface;

/// The paths that are served, by the listener. A name in braces stands for what a path is filled in with.
pub(crate) type Paths = BTreeSet<(Surface, String)>;

/// The paths of the `match` in the source of the router, whose arms reach each variant of its `enum Route`.
pub(crate) fn paths(source: &str) -> Paths {
    let arms = arms(block(source, "match (surface, "));
    let (mut paths, mut reached) = (Paths::new(), BTreeSet::new());
    for arm in &arms {
        // Names that are kept for later, and all that is left.
        if arm.body.starts_with("Err(") {
            continue;
        }
        let route = arm.body.strip_prefix("Ok(Route::");
        let route = route.unwrap_or_else(|| panic!("this arm is no route: {arm:?}"));
        let name: String = route.chars().take_while(char::is_ascii_alphanumeric).collect();
        reached.insert(name);
        let pattern = split(&arm.pattern, " if ")[0];
        for alternative in split(pattern, "|") {
            paths.extend(paths_of(alternative));
        }
    }
    let variants: BTreeSet<String> = split(block(source, "enum Route<'p> "), ",")
        .into_iter()
        .map(|variant| variant.chars().take_while(char::is_ascii_alphanumeric).collect())
        .filter(|name: &String| !name.is_empty())
        .collect();
    assert_eq!(
        reached, variants,
        "the arms that were read, and the routes that there are"
    );
    paths
}

/// An arm of the `match`.
#[derive(Debug)]
struct Arm {
    pattern: String,
    /// Without braces around it.
    body: String,
}

/// The paths of one pattern: `(Surface::Api, ["auth", "tokens", id])`.
fn paths_of(pattern: &str) -> Paths {
    let inner = pattern.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let parts = split(
        inner.unwrap_or_else(|| panic!("this is no pattern of a path: {pattern}")),
        ",",
    );
    let [surface, path] = parts[..] else {
        panic!("this is no pattern of a path: {pattern}");
    };
    let surfaces = match surface {
        "Surface::Api" => vec![Surface::Api],
        "Surface::Admin" => vec![Surface::Admin],
        "_" => vec![Surface::Api, Surface::Admin],
        other => panic!("{other} is no listener"),
    };
    let segments = path.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let segments = split(segments.unwrap_or_else(|| panic!("{path} is no list of segments")), ",");
    let mut paths = vec![String::new()];
    for choices in segments.iter().filter(|segment| !segment.is_empty()) {
        let choices: Vec<String> = split(choices, "|").into_iter().map(segment).collect();
        let longer = |path: &String| {
            let path = path.clone();
            choices
                .iter()
                .map(move |choice| format!("{path}/{choice}"))
                .collect::<Vec<_>>()
        };
        paths = paths.iter().flat_map(longer).collect();
    }
    let on_each = |surface: Surface| paths.iter().map(move |path| (surface, path.clone()));
    surfaces.into_iter().flat_map(on_each).collect()
}

/// A segment: a text, or a name in braces.
fn segment(pattern: &str) -> String {
    if let Some(literal) = pattern.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return literal.to_owned();
    }
    let is_name = pattern.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    assert!(is_name, "no table holds all the paths of {pattern}");
    format!("{{{pattern}}}")
}

/// The arms of a `match`, from the text between its braces.
fn arms(block: &str) -> Vec<Arm> {
    let mut arms = Vec::new();
    let mut rest = block.trim_start();
    while !rest.is_empty() {
        let pattern = split(rest, "=>")[0];
        let body = rest[pattern.len()..]
            .trim_start()
            .strip_prefix("=>")
            .map(str::trim_start);
        let body = body.unwrap_or_else(|| panic!("this is no arm: {rest}"));
        let (body, behind) = match body.starts_with('{') {
            true => {
                let inner = enclosed(body);
                (inner, &body[inner.len() + 2..])
            }
            false => {
                let body_alone = split(body, ",")[0];
                (body_alone, &body[body_alone.len()..])
            }
        };
        arms.push(Arm {
            pattern: pattern.to_owned(),
            body: body.trim().to_owned(),
        });
        rest = behind.trim_start().trim_start_matches(',').trim_start();
    }
    arms
}

/// What is between the braces behind the first place of a text, without comments.
fn block<'s>(source: &'s str, text: &str) -> &'s str {
    let found = source
        .split_once(text)
        .unwrap_or_else(|| panic!("the router has no {text:?}"))
        .1;
    let open = found.find('{').expect("a block follows");
    enclosed(&found[open..])
}

/// What is between the bracket at the beginning of a text and the one that closes it.
fn enclosed(text: &str) -> &str {
    let end = depths(text)
        .skip(1)
        .find(|(_, depth)| *depth == 0)
        .expect("what is opened is closed")
        .0;
    &text[1..end]
}

/// The parts of a text, trimmed, between separators that are in no bracket and in no string.
fn split<'t>(text: &'t str, separator: &str) -> Vec<&'t str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, depth) in depths(text) {
        if depth == 0 && at >= start && text[at..].starts_with(separator) {
            parts.push(text[start..at].trim());
            start = at + separator.len();
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// The places of the characters outside of strings, with the brackets that are open behind each.
fn depths(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let (mut depth, mut is_text) = (0_usize, false);
    text.char_indices().filter_map(move |(at, character)| {
        match character {
            '"' => is_text = !is_text,
            _ if is_text => return None,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1).expect("what is closed was opened"),
            _ => {}
        }
        Some((at, depth))
    })
}

/// The source without its comments, of which `depths` knows nothing.
pub(crate) fn without_comments(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}
