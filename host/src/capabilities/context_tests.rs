//! What a call may reach, and what a refusal tells.

use serde_json::json;

use super::*;
use crate::capabilities::fixture::{Host, NOW_MS, account, items};
use crate::capabilities::model::Selection;
use crate::manifest::{Access, AccessWord};
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
    let call = host.call();
    let power = Power {
        actions: actions.iter().copied().collect(),
        standing,
        write_only: false,
    };
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

fn refusal<T>(result: Result<T, documents::Error>) -> String {
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
