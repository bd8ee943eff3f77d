//! Entries that tell what is in force, whenever that is not as it was told last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Act, again, append, decode, encode, hash, keys};
use crate::storage::engine::Engine;
use crate::storage::transaction::{Ended, Transaction};

/// Settings by their names.
pub type Settings = BTreeMap<String, Value>;

/// Appends in a transaction of its own, unless the last entry of this kind told the same. The detail of the act, an object, is
/// told as a whole; of the settings only those are that are not as they were told last, with what they were. Whether it was
/// appended.
pub async fn record_change(engine: &Arc<dyn Engine>, act: &Act, settings: &Settings) -> Result<bool, Ended> {
    let (of_detail, of_settings) = (keys::told(&act.act), keys::settings(&act.act));
    let detail = hash(act.detail.to_string().as_bytes());
    again(|| async {
        let mut transaction = Transaction::begin(Arc::clone(engine), act.at_ms);
        let is_as_told = transaction.get(&of_detail).await?.as_deref() == Some(detail.as_bytes());
        let before = transaction.get(&of_settings).await?;
        let before: Settings = before.map_or_else(|| Ok(Settings::new()), |text| decode(&text))?;
        let changed = changes(&before, settings);
        let is_new = !is_as_told || !changed.is_empty();
        if is_new {
            append(&mut transaction, with_settings(act.clone(), changed)).await?;
            transaction.put(of_detail.clone(), detail.clone().into(), None);
            transaction.put(of_settings.clone(), encode(settings)?, None);
        }
        transaction.commit().await?;
        Ok(is_new)
    })
    .await
}

/// What is not as it was, with what it was; null where it was not told, or is there no more.
fn changes(before: &Settings, now: &Settings) -> Map<String, Value> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differs = |name: &&String| before.get(*name) != now.get(*name);
    let told = |name: &String| json!({ "before": before.get(name), "now": now.get(name) });
    let changed = names.into_iter().filter(differs);
    changed.map(|name| (name.clone(), told(name))).collect()
}

fn with_settings(mut act: Act, changed: Map<String, Value>) -> Act {
    if let Some(detail) = act.detail.as_object_mut()
        && !changed.is_empty()
    {
        detail.insert("settings".to_owned(), changed.into());
    }
    act
}

#[cfg(test)]
mod tests {
    use super::super::tests::act;
    use super::super::{page, verify};
    use super::*;
    use crate::storage::engine::Direction;
    use crate::storage::memory;

    fn settings<const N: usize>(values: [(&str, Value); N]) -> Settings {
        values.map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[tokio::test]
    async fn what_stays_as_it_was_is_told_once() {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        let nothing = Settings::new();
        let told = async |number: u64| record_change(&engine, &act(number), &nothing).await.unwrap();
        assert_eq!(
            [told(1).await, told(1).await, told(2).await, told(1).await],
            [true, false, true, true]
        );
        assert_eq!(verify(&engine, None, 0).await.unwrap().entries, 3);
    }

    #[tokio::test]
    async fn of_settings_those_are_told_that_changed_with_what_they_were() {
        let engine: Arc<dyn Engine> = Arc::new(memory::open().unwrap());
        let told = async |settings: &Settings| record_change(&engine, &act(1), settings).await.unwrap();
        let (first, second) = (
            settings([("a", json!([1])), ("b", json!(true)), ("c", json!("x"))]),
            settings([("b", json!(false)), ("c", json!("x")), ("d", json!({ "e": 1 }))]),
        );
        assert_eq!(
            [
                told(&first).await,
                told(&first).await,
                told(&second).await,
                told(&second).await
            ],
            [true, false, true, false]
        );
        let entries = page(&engine, None, Direction::Forward, 10, 0).await.unwrap();
        let details: Vec<&Value> = entries.iter().map(|entry| &entry.act.detail).collect();
        assert_eq!(details[0]["settings"]["a"], json!({ "before": null, "now": [1] }));
        assert_eq!(
            details[1],
            &json!({ "number": 1, "settings": {
                "a": { "before": [1], "now": null },
                "b": { "before": true, "now": false },
                "d": { "before": null, "now": { "e": 1 } },
            } })
        );
    }
}
