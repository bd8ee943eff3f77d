//! What the operator's policies leave to a plugin of its own collections: what they forbid, and nothing that a word says.

use std::slice;

use serde_json::json;

use super::tests::{context_of, refusal};
use super::*;
use crate::capabilities::fixture::{Host, account, items};
use crate::capabilities::model::Selection;
use crate::config::PolicyFile;
use crate::manifest::{Access, AccessWord, Resource};
use crate::policy::cedar::Policies;
use crate::policy::{Account, Limits};

/// Nobody updates what is full, nobody reads what is hidden, and who is not signed in deletes nothing.
const FORBIDS: &str = r#"
    forbid (principal, action == Portcullis::Action::"update", resource is Portcullis::items)
    when { resource has stock && resource.stock > 9 };
    forbid (principal, action in [Portcullis::Action::"read", Portcullis::Action::"list"], resource is Portcullis::items)
    when { resource has hidden && resource.hidden };
    forbid (principal is Portcullis::Anonymous, action == Portcullis::Action::"delete", resource is Portcullis::items);
"#;
const PERMITS: &str = r#"permit (principal in Portcullis::Role::"clerk", action, resource);"#;

fn goods() -> Resource {
    let schema = json!({"type": "object", "properties": {"stock": {"type": "integer"}, "hidden": {"type": "boolean"}}});
    items(schema, &[], &[])
}

/// A call that may create documents of `resource`, to whose plugin `items` belong too: under policies, and for a caller.
fn call(host: &Host, resource: &str, policies: &str, caller: Caller) -> CallContext {
    let power = Power {
        actions: Action::ALL.into(),
        standing: Standing::Own,
        write_only: false,
    };
    let mut context = context_of(host, resource, power, AccessWord::Nobody);
    let file = PolicyFile {
        name: "shop.cedar".to_owned(),
        text: policies.to_owned(),
    };
    let loaded = Policies::load(&[file], slice::from_ref(&goods()).iter()).unwrap();
    let reach = Arc::make_mut(&mut context.reach);
    let reachable = reach.collections.get_mut("items").unwrap();
    let words = Access::all(AccessWord::Nobody);
    reachable.rules = Rules::new(words, loaded.of("items").cloned());
    context.caller = caller;
    context.scope = Scope::All;
    context
}

async fn update(context: &mut CallContext, id: &str) -> Result<Document, documents::Error> {
    context
        .documents("items", Action::Update)?
        .replace(id, json!({"stock": 1}))
        .await
}

#[tokio::test]
async fn what_policies_forbid_is_forbidden_to_a_plugin_in_its_own_collections() {
    // For another action of the same resource, and for another resource.
    for resource in ["items", "other"] {
        let host = Host::with(goods()).await;
        let full = host.insert(json!({"stock": 10})).await.id.to_string();
        let hidden = host.insert(json!({"hidden": true})).await.id.to_string();
        let plain = host.insert(json!({})).await.id.to_string();

        let mut context = call(&host, resource, FORBIDS, account(1));
        let refused = update(&mut context, &full).await;
        assert!(
            matches!(&refused, Err(documents::Error::Problem(Problem::Forbidden(_)))),
            "{refused:?}"
        );
        update(&mut context, &plain).await.unwrap();
        let mut read = context.documents("items", Action::Read).unwrap();
        assert_eq!(read.get(&hidden).await.unwrap(), None);
        assert!(read.get(&full).await.unwrap().is_some());
        let mut listed = context.documents("items", Action::List).unwrap();
        assert_eq!(listed.query(&Selection::default()).await.unwrap().items.len(), 2);
        let mut deleted = context.documents("items", Action::Delete).unwrap();
        deleted.delete(&full).await.unwrap();

        // The principal is whom the call is for.
        let mut context = call(&host, resource, FORBIDS, Caller::Anonymous);
        refusal(context.documents("items", Action::Delete));
        // The operator is bound as well.
        let mut context = call(&host, resource, FORBIDS, Caller::Operator);
        let full = host.insert(json!({"stock": 10})).await.id.to_string();
        update(&mut context, &full).await.unwrap_err();
    }
}

#[tokio::test]
async fn what_policies_permit_takes_nothing_from_a_plugin_and_the_words_neither() {
    for resource in ["items", "other"] {
        let host = Host::with(goods()).await;
        let mut context = call(&host, resource, PERMITS, account(1));
        let id = host.insert(json!({"stock": 10})).await.id.to_string();
        update(&mut context, &id).await.unwrap();
        let mut deleted = context.documents("items", Action::Delete).unwrap();
        deleted.delete(&id).await.unwrap();
    }
}

#[tokio::test]
async fn a_permit_goes_no_further_for_a_plugin_than_its_own_scope() {
    let host = Host::with(goods()).await;
    let others = host.insert(json!({"stock": 1})).await.id.to_string();
    let mut context = call(&host, "items", FORBIDS, account(1));
    context.scope = Scope::Owned(account(1).account().unwrap());
    update(&mut context, &others).await.unwrap_err();
    let mut created = context.documents("items", Action::Create).unwrap();
    let own = created.insert(json!({"stock": 10})).await.unwrap().id.to_string();
    update(&mut context, &own).await.unwrap_err();
    let mut deleted = context.documents("items", Action::Delete).unwrap();
    deleted.delete(&own).await.unwrap();
}

#[tokio::test]
async fn the_scopes_of_a_token_bind_a_plugin_where_policies_do() {
    let host = Host::with(goods()).await;
    let id = host.insert(json!({})).await.id.to_string();
    let through = |scope: &str| {
        Caller::Account(Account {
            id: Uuid::from_u128(1),
            roles: Arc::default(),
            limits: Some(Arc::new(Limits::parse(&[scope.to_owned()]).unwrap())),
        })
    };
    let mut narrow = call(&host, "other", FORBIDS, through("other:write"));
    refusal(narrow.documents("items", Action::Update));
    refusal(narrow.documents("items", Action::Read));
    // No policy is about an account that deletes.
    narrow.documents("items", Action::Delete).unwrap();
    let mut wide = call(&host, "other", FORBIDS, through("items:write"));
    update(&mut wide, &id).await.unwrap();
    // What is written under a permit is read for it.
    let mut writing = call(&host, "items", FORBIDS, through("items:write"));
    let mut read = writing.documents("items", Action::Read).unwrap();
    assert!(read.get(&id).await.unwrap().is_some());
    // Where no policy forbids anything, the plugin answers for it.
    let mut unbound = call(&host, "other", PERMITS, through("other:write"));
    update(&mut unbound, &id).await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_no_policy_is_about_makes_no_principal() {
    let host = Host::with(goods()).await;
    for policies in ["", PERMITS] {
        let mut context = call(&host, "other", policies, account(1));
        for action in Action::ALL {
            context.documents("items", action).unwrap();
        }
        assert!(!context.prepared.is_made());
    }
}
