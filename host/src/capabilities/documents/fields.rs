//! The fields of a body that its schema marks: those that are hidden from clients and plugins, and those that no client sets.

use serde_json::Value;

use crate::manifest::FieldPath;

/// The value at a path, where all on the way are objects.
pub fn at<'v>(body: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(body, |value, name| value.as_object()?.get(name))
}

/// Takes fields away.
pub fn remove<'p>(body: &mut Value, paths: impl IntoIterator<Item = &'p FieldPath>) {
    for path in paths {
        if let Some((name, parent)) = parent(body, path) {
            // Not `remove`, which would move the last key into the gap.
            parent.shift_remove(name);
        }
    }
}

/// Adds the fields that a body is without and that `stored` has. What is in an object that the body is without stays away
/// with it.
pub fn keep<'p>(body: &mut Value, stored: &Value, paths: impl IntoIterator<Item = &'p FieldPath>) {
    for path in paths {
        let Some(value) = at(stored, path) else { continue };
        if let Some((name, parent)) = parent(body, path)
            && !parent.contains_key(name)
        {
            parent.insert(name.clone(), value.clone());
        }
    }
}

fn parent<'v, 'p>(
    body: &'v mut Value,
    path: &'p [String],
) -> Option<(&'p String, &'v mut serde_json::Map<String, Value>)> {
    let (name, way) = path.split_last()?;
    let parent = way
        .iter()
        .try_fold(body, |value, name| value.as_object_mut()?.get_mut(name))?;
    Some((name, parent.as_object_mut()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths() -> Vec<FieldPath> {
        let path = |dotted: &str| dotted.split('.').map(str::to_owned).collect();
        ["secret", "maker.key"].map(path).to_vec()
    }

    #[test]
    fn what_is_hidden_is_taken_away_and_the_rest_stays_in_its_place() {
        let mut body = json!({"a": 1, "secret": 2, "maker": {"key": 3, "name": "x"}, "z": 4});
        remove(&mut body, &paths());
        assert_eq!(body.to_string(), r#"{"a":1,"maker":{"name":"x"},"z":4}"#);
        for mut other in [json!({"maker": ["key"]}), json!({"maker": "key"}), json!({})] {
            let before = other.clone();
            remove(&mut other, &paths());
            assert_eq!(other, before);
        }
    }

    #[test]
    fn what_is_hidden_is_kept_where_its_object_is() {
        let stored = json!({"secret": 2, "maker": {"key": 3}});
        for (given, kept) in [
            (json!({}), json!({"secret": 2})),
            (json!({"maker": {}}), json!({"secret": 2, "maker": {"key": 3}})),
            (
                json!({"secret": 5, "maker": {"key": null}}),
                json!({"secret": 5, "maker": {"key": null}}),
            ),
            (json!({"maker": 1}), json!({"secret": 2, "maker": 1})),
        ] {
            let mut body = given.clone();
            keep(&mut body, &stored, &paths());
            assert_eq!(body, kept, "{given}");
        }
    }
}
