//! What a call may reach, and what a refusal tells.

use serde_json::json;

use super::*;
use crate::capabilities::fixture::{Host, NOW_MS, account, items};
use crate::capabilities::model::{Clause, Operator, Order, Selection};
use crate::config::Config;
use crate::manifest::{Access, AccessWord, Manifest};
use crate::policy::grants::crud_powers;
use crate::storage::keyspace;

fn access(read: AccessWord) -> Access {
    Access {
        list: read.clone(),
        read,
        create: AccessWord::Anyone,
        update: AccessWord::Anyone,
        delete: AccessWord::Nobody,
    }
}

/// A call for the resource `resource` that may do `actions` in the collection `items`.
async fn context(resource: &str, standing: Standing, actions: &[Action], read: AccessWord) -> CallContext {
    let host = Host::with(items(json!({"type": "object"}), &[], &[])).await;
    let mut call = host.call();
    call.caller = account(2);
    call.items().insert(json!({})).await.unwrap();
    call.commit().await.unwrap();
    let power = Power {
        actions: actions.iter().copied().collect(),
        standing,
        write_only: false,
    };
    context_of(&host, resource, power, read)
}

/// A call for the resource `resource` that has this power over the collection `items` of a store.
pub(super) fn context_of(host: &Host, resource: &str, power: Power, read: AccessWord) -> CallContext {
    let call = host.call();
    let quota = keyspace::quota("shop", ["items"], u64::MAX);
    let reachable = Reachable {
        power,
        rules: access(read).into(),
        quota,
    };
    CallContext {
        transaction: call.transaction,
        catalogue: call.catalogue,
        cursors: call.cursors,
        caller: account(1),
        prepared: Prepared::default(),
        resource: resource.into(),
        action: Action::Create,
        scope: Scope::Owned(account(1).account().unwrap()),
        reach: Arc::new(Reach {
            collections: BTreeMap::from([("items".to_owned(), reachable)]),
        }),
        request: Arc::default(),
        plugin: Arc::new(PluginContext {
            name: "shop".to_owned(),
            ..PluginContext::default()
        }),
        log: LogBudget::new(1, 10_000),
        vetted: None,
        handed: Vec::new(),
        refusal: None,
    }
}

pub(super) fn refusal<T>(result: Result<T, documents::Error>) -> String {
    match result {
        Err(documents::Error::Problem(Problem::Forbidden(text))) => text,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("granted"),
    }
}

#[tokio::test]
async fn a_client_is_not_told_what_the_operator_grants() {
    let mut context = context("items", Standing::AsCaller, &[Action::Read], AccessWord::Anyone).await;
    for (collection, action) in [("items", Action::Delete), ("secrets", Action::List)] {
        let text = refusal(context.documents(collection, action));
        assert_eq!(text, format!("the plugin may not {action} in `{collection}`"));
    }
    let told = context.denial("items", Action::Delete);
    assert!(
        told.contains("[grants.shop.collections]") && told.contains("items = [\"read\", \"delete\"]"),
        "{told}"
    );
}

#[tokio::test]
async fn a_collection_of_the_plugin_beside_the_resource_is_open_to_it() {
    let mut context = context("other", Standing::Own, &Action::ALL, AccessWord::Nobody).await;
    let page = context
        .documents("items", Action::List)
        .unwrap()
        .query(&Selection::default())
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    let id = page.items[0].id.to_string();
    context
        .documents("items", Action::Delete)
        .unwrap()
        .delete(&id)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_resource_itself_is_open_as_far_as_the_permit_or_the_caller_reaches() {
    for (read, found) in [(AccessWord::Anyone, 1), (AccessWord::Nobody, 0)] {
        let mut context = context("items", Standing::Own, &Action::ALL, read).await;
        let page = context
            .documents("items", Action::List)
            .unwrap()
            .query(&Selection::default())
            .await
            .unwrap();
        assert_eq!(page.items.len(), found);
        let mine = context
            .documents("items", Action::Create)
            .unwrap()
            .insert(json!({}))
            .await
            .unwrap();
        let page = context
            .documents("items", Action::List)
            .unwrap()
            .query(&Selection::default())
            .await
            .unwrap();
        assert_eq!(page.items.len(), found + 1);
        context
            .documents("items", Action::Delete)
            .unwrap()
            .delete(&mine.id.to_string())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn as_the_caller_a_plugin_may_do_what_the_caller_may() {
    let mut allowed = context("other", Standing::AsCaller, &Action::ALL, AccessWord::Anyone).await;
    let page = allowed
        .documents("items", Action::List)
        .unwrap()
        .query(&Selection::default())
        .await
        .unwrap();
    let id = page.items[0].id.to_string();
    allowed
        .documents("items", Action::Update)
        .unwrap()
        .replace(&id, json!({"a": 1}))
        .await
        .unwrap();
    refusal(allowed.documents("items", Action::Delete));
    let mut blind = context("other", Standing::AsCaller, &Action::ALL, AccessWord::Nobody).await;
    refusal(blind.documents("items", Action::Read));
    refusal(blind.documents("items", Action::List));
}

#[tokio::test]
async fn as_the_system_a_plugin_may_do_what_is_granted() {
    let mut context = context(
        "other",
        Standing::AsSystem,
        &[Action::List, Action::Delete],
        AccessWord::Nobody,
    )
    .await;
    let page = context
        .documents("items", Action::List)
        .unwrap()
        .query(&Selection::default())
        .await
        .unwrap();
    let id = page.items[0].id.to_string();
    context
        .documents("items", Action::Delete)
        .unwrap()
        .delete(&id)
        .await
        .unwrap();
    refusal(context.documents("items", Action::Create));
}

#[tokio::test]
async fn a_collection_that_is_not_installed_is_unavailable() {
    let mut context = context("other", Standing::AsSystem, &Action::ALL, AccessWord::Anyone).await;
    context.catalogue = Arc::default();
    let refused = context.documents("items", Action::List).map(|_| ());
    assert!(
        matches!(refused, Err(documents::Error::Problem(Problem::Unavailable(_)))),
        "{refused:?}"
    );
    assert_eq!(context.now_ms(), NOW_MS);
}

const SECRET: &str = "s3cret-of-ada";

/// Users with a hidden field at the top and one further in, and indexes over what is hidden.
async fn users() -> Host {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "password": {"type": "string", "writeOnly": true},
        "maker": {"type": "object", "properties": {"key": {"type": "string", "writeOnly": true}}}
    }});
    let host = Host::with(items(schema, &[&["password"], &["name"]], &[])).await;
    host.build().await;
    for (name, secret) in [("Ada", SECRET), ("Eve", "another")] {
        let body = json!({"name": name, "password": secret, "maker": {"key": secret, "rank": 7}});
        host.insert(body).await;
    }
    host
}

/// What the plugin `orders` may do with `items`, another plugin's: where it wants to see what is hidden, and where the operator
/// grants that.
fn power((is_wanted, is_granted): (bool, bool), standing: Standing) -> Power {
    let shown = |is_so| if is_so { "write_only = [\"items\"]" } else { "" };
    let collections = match standing {
        Standing::AsSystem => "items = { actions = [\"read\", \"update\"], as = \"system\" }",
        _ => "items = [\"read\", \"update\"]",
    };
    let manifest = format!(
        "[plugin]\nname = \"orders\"\nversion = \"0.1.0\"\n[wants]\n{}\n[wants.collections]\n{collections}",
        shown(is_wanted)
    );
    let manifest = Manifest::parse("plugin.toml", &manifest, &|_| Err(String::new())).unwrap();
    let grants = format!(
        "[grants.orders]\n{}\n[grants.orders.collections]\n{collections}",
        shown(is_granted)
    );
    let config = Config::parse("portcullis.toml", &grants).unwrap();
    let power = crud_powers(&manifest, &config.grants["orders"]).collections["items"].clone();
    assert_eq!(power.standing, standing);
    power
}

/// The names of those whom a plugin finds by a field.
async fn found_by(context: &mut CallContext, field: &str, operator: Operator) -> Result<Vec<String>, documents::Error> {
    let selection = Selection {
        filters: vec![Clause {
            field: field.to_owned(),
            value: match operator {
                Operator::OneOf => json!([SECRET]),
                Operator::Prefix => json!(SECRET[..2]),
                _ => json!(SECRET),
            },
            operator,
        }],
        with_total: true,
        ..Selection::default()
    };
    let page = context.documents("items", Action::List)?.query(&selection).await?;
    let names = page.items.iter().map(|document| {
        let body: Value = serde_json::from_slice(&document.body).unwrap();
        body["name"].as_str().unwrap().to_owned()
    });
    Ok(names.collect())
}

/// All that a plugin is shown of Ada, on each way there is.
async fn shown(context: &mut CallContext) -> Vec<Document> {
    let all = context.documents("items", Action::List).unwrap();
    let mut shown = { all }.query(&Selection::default()).await.unwrap().items;
    shown.retain(|document| document.body.windows(5).any(|part| part == b"\"Ada\""));
    let id = shown[0].id.to_string();
    let mut read = context.documents("items", Action::Read).unwrap();
    shown.extend(read.get(&id).await.unwrap());
    shown.extend(
        read.get_many(std::slice::from_ref(&id))
            .await
            .unwrap()
            .into_iter()
            .flatten(),
    );
    let mut update = context.documents("items", Action::Update).unwrap();
    let patch = json!({"name": "Ada", "maker": {"rank": 8}});
    shown.push(update.patch(&id, patch.clone()).await.unwrap());
    shown.push(update.replace(&id, patch).await.unwrap());
    assert_eq!(shown.len(), 5);
    shown
}

#[tokio::test]
async fn a_plugin_that_is_not_granted_to_sees_nothing_that_another_hides_and_finds_nothing_by_it() {
    let host = users().await;
    for standing in [Standing::AsCaller, Standing::AsSystem] {
        for allowed in [(false, false), (true, false), (false, true)] {
            let mut context = context_of(&host, "orders", power(allowed, standing), AccessWord::Anyone);
            for document in shown(&mut context).await {
                let text = String::from_utf8(document.body.to_vec()).unwrap();
                assert!(
                    text.contains("\"rank\"") && !text.contains(SECRET),
                    "{allowed:?}: {text}"
                );
                assert!(
                    !text.contains("password") && !text.contains("key"),
                    "{allowed:?}: {text}"
                );
            }
            for field in ["password", "maker.key"] {
                for operator in [
                    Operator::Eq,
                    Operator::Ne,
                    Operator::Ge,
                    Operator::OneOf,
                    Operator::Prefix,
                ] {
                    let refused = found_by(&mut context, field, operator).await;
                    assert!(
                        matches!(&refused, Err(documents::Error::BadSelection { code, .. }) if *code == "write_only_field"),
                        "{allowed:?} {field} {operator:?}: {refused:?}"
                    );
                }
                let sorted = Selection {
                    sort: vec![Order {
                        field: field.to_owned(),
                        descending: false,
                    }],
                    ..Selection::default()
                };
                let refused = context.documents("items", Action::List).unwrap().query(&sorted).await;
                assert!(
                    matches!(&refused, Err(documents::Error::BadSelection { code, .. }) if *code == "write_only_field"),
                    "{allowed:?} {field}: {refused:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_plugin_that_wants_to_and_is_granted_to_sees_what_another_hides_and_finds_by_it() {
    let host = users().await;
    for standing in [Standing::AsCaller, Standing::AsSystem] {
        let mut context = context_of(&host, "orders", power((true, true), standing), AccessWord::Anyone);
        for operator in [Operator::Eq, Operator::OneOf, Operator::Prefix] {
            let found = found_by(&mut context, "password", operator).await;
            assert_eq!(found, Ok(vec!["Ada".to_owned()]), "{operator:?}");
        }
        for document in shown(&mut context).await {
            let body: Value = serde_json::from_slice(&document.body).unwrap();
            // What the last write did not name is kept, as everybody's is who writes.
            assert_eq!(
                (&body["password"], &body["maker"]["key"]),
                (&json!(SECRET), &json!(SECRET))
            );
        }
    }
}
