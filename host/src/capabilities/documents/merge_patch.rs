//! JSON Merge Patch (RFC 7396).

use serde_json::{Map, Value};

/// The target with the patch applied: null removes, objects merge, anything else replaces.
pub fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut merged = match target {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            // Not `remove`, which would move the last key into the gap: the other keys keep their places.
            merged.shift_remove(name);
        } else {
            let old = merged.get_mut(name).map_or(Value::Null, Value::take);
            merged.insert(name.clone(), merge_patch(old, change));
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        let examples = [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ];
        for (target, patch, expected) in examples {
            assert_eq!(merge_patch(target.clone(), &patch), expected, "{target} with {patch}");
        }
    }

    #[test]
    fn keys_that_stay_keep_their_places() {
        let merged = merge_patch(json!({"a": 1, "b": 2, "c": 3, "d": 4}), &json!({"a": null, "c": 5}));
        assert_eq!(merged.to_string(), r#"{"b":2,"c":5,"d":4}"#);
    }
}
