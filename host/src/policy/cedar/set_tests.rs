//! What an operator's policies add to the access words, and that a decision looks at few of them.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::principal::Kind;
use super::{Facts, Policies};
use crate::config::PolicyFile;
use crate::manifest::{Access, AccessWord, Action, Resource};
use crate::policy::{Account, Caller, Refusal, Rules, Scope, authorize, authorize_again, authorize_own};

fn resource(name: &str, word: &str) -> Resource {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "price_cents": {"type": ["integer", "null"]}, "hidden": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}}, "weight": {"type": "number"},
    }});
    Resource {
        name: name.to_owned(),
        schema: Arc::new(schema),
        indexes: Vec::new(),
        unique: Vec::new(),
        access: Access::all(AccessWord::parse(word).unwrap()),
        on_erase: Default::default(),
    }
}

fn load(text: &str, resources: &[Resource]) -> Policies {
    let file = PolicyFile {
        name: "shop.cedar".to_owned(),
        text: text.to_owned(),
    };
    Policies::load(&[file], resources.iter()).unwrap_or_else(|found| panic!("{found}"))
}

fn account(roles: &[&str]) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(1),
        roles: roles.iter().map(ToString::to_string).collect(),
        limits: None,
    })
}

/// What may be done with a document of `products`, where its access word is `word`.
fn decide(text: &str, word: &str, caller: &Caller, body: &Value) -> Result<bool, Refusal> {
    let products = resource("products", word);
    let policies = load(text, std::slice::from_ref(&products));
    let rules = Rules::new(products.access.clone(), policies.of("products").cloned());
    let permit = authorize(caller, Action::Read, &"products".into(), &rules)?;
    Ok(permit.scope().covers(&Facts {
        id: Uuid::from_u128(9),
        owner: None,
        body,
    }))
}

#[test]
fn a_permit_widens_the_words_and_a_forbid_narrows_them() {
    let permit = r#"permit (principal in Portcullis::Role::"clerk", action == Portcullis::Action::"read", resource is Portcullis::products);"#;
    let forbid = r#"forbid (principal, action, resource is Portcullis::products) unless { principal in Portcullis::Role::"clerk" };"#;
    let (clerk, member) = (account(&["clerk"]), account(&[]));
    assert_eq!(decide(permit, "operator", &clerk, &json!({})), Ok(true));
    assert_eq!(decide(permit, "operator", &member, &json!({})), Err(Refusal::Forbidden));
    assert_eq!(
        decide(permit, "operator", &Caller::Anonymous, &json!({})),
        Err(Refusal::Unauthenticated)
    );
    assert_eq!(decide(forbid, "member", &clerk, &json!({})), Ok(true));
    assert_eq!(decide(forbid, "member", &member, &json!({})), Err(Refusal::Forbidden));
    // Whoever it is: a policy that forbids means all that it does not except.
    assert_eq!(
        decide(forbid, "anyone", &Caller::Operator, &json!({})),
        Err(Refusal::Forbidden)
    );
}

#[test]
fn what_is_for_nobody_stays_for_nobody() {
    let permit = "permit (principal, action, resource);";
    for caller in [account(&["admin"]), Caller::Operator, Caller::Anonymous] {
        assert_eq!(decide(permit, "nobody", &caller, &json!({})), Err(Refusal::Forbidden));
    }
}

#[test]
fn a_policy_may_ask_about_the_fields_of_a_document() {
    let text = r#"
        permit (principal, action, resource is Portcullis::products)
        when { resource has price_cents && resource.price_cents <= 100 };
        forbid (principal, action, resource is Portcullis::products) when { resource has hidden && resource.hidden };
        forbid (principal, action, resource is Portcullis::products) when { resource has tags && resource.tags.contains("draft") };
        forbid (principal, action, resource is Portcullis::products) when { resource has name && resource.name like "secret*" };
    "#;
    for (body, allowed) in [
        (json!({"price_cents": 100}), true),
        (json!({"price_cents": 100.0}), true),
        (json!({"price_cents": 101}), false),
        (json!({"price_cents": null}), false),
        (json!({}), false),
        (
            json!({"price_cents": 1, "hidden": false, "tags": ["new"], "name": "lamp"}),
            true,
        ),
        (json!({"price_cents": 1, "hidden": true}), false),
        (json!({"price_cents": 1, "tags": ["new", "draft"]}), false),
        (json!({"price_cents": 1, "name": "secret lamp"}), false),
    ] {
        assert_eq!(decide(text, "operator", &account(&[]), &body), Ok(allowed), "{body}");
    }
}

#[test]
fn roles_count_wherever_a_policy_asks_for_them() {
    let policy = |principal: &str, asked: &str| {
        format!(
            "permit ({principal}, action, resource is Portcullis::products) when {{ resource has name && ({asked}) }};"
        )
    };
    let clerk = r#"Portcullis::Role::"clerk""#;
    for text in [
        policy(&format!("principal in {clerk}"), "true"),
        policy(&format!("principal is Portcullis::Account in {clerk}"), "true"),
        policy("principal", &format!("principal in {clerk}")),
        policy("principal", &format!("principal is Portcullis::Account in {clerk}")),
        policy(
            "principal",
            &format!(r#"principal in [Portcullis::Role::"boss", {clerk}]"#),
        ),
        policy("principal", &format!("if principal in {clerk} then true else false")),
        policy("principal", &format!("!(!(principal in {clerk}))")),
    ] {
        let lamp = json!({"name": "lamp"});
        let may = |roles: &[&str]| decide(&text, "operator", &account(roles), &lamp) == Ok(true);
        assert!(may(&["editor", "clerk"]) && !may(&["editor"]) && !may(&[]), "{text}");
    }
}

#[test]
fn nothing_is_allowed_with_a_document_that_holds_what_its_schema_does_not_allow() {
    let text =
        "forbid (principal, action, resource is Portcullis::products) when { resource has hidden && resource.hidden };";
    let read = |body: Value| decide(text, "anyone", &Caller::Anonymous, &body);
    assert_eq!(read(json!({"hidden": false})), Ok(true));
    for odd in [
        json!({"hidden": "yes"}),
        json!({"hidden": 1}),
        json!({"hidden": [true]}),
    ] {
        assert_eq!(read(odd.clone()), Ok(false), "{odd}");
    }
    // What no policy names is not looked at.
    assert_eq!(read(json!({"price_cents": "many"})), Ok(true));
}

#[test]
fn a_policy_that_can_not_be_evaluated_allows_nothing() {
    let text = r#"
        forbid (principal, action, resource is Portcullis::products)
        when { resource has price_cents && resource.price_cents * 4 > 100 };
    "#;
    assert_eq!(
        decide(text, "anyone", &Caller::Anonymous, &json!({"price_cents": 1})),
        Ok(true)
    );
    assert_eq!(
        decide(text, "anyone", &Caller::Anonymous, &json!({"price_cents": i64::MAX})),
        Ok(false)
    );
}

#[test]
fn a_decision_looks_only_at_the_policies_that_can_apply() {
    let mut text = String::new();
    for number in 0..20 {
        let id = Uuid::from_u128(number);
        let name = if number % 2 == 0 { "products" } else { "orders" };
        text.push_str(&format!(
            "permit (principal == Portcullis::Account::\"{id}\", action == Portcullis::Action::\"update\", resource is Portcullis::{name});"
        ));
    }
    text.push_str("permit (principal is Portcullis::Anonymous, action in [Portcullis::Action::\"read\"], resource is Portcullis::orders);");
    let policies = load(
        &text,
        &[
            resource("products", "owner"),
            resource("orders", "owner"),
            resource("other", "owner"),
        ],
    );
    let looked_at = |name: &str, action: Action, kind: Kind| {
        let slice = policies.of(name).and_then(|of| of.slice(action, kind));
        slice.map(|slice| slice.policies())
    };
    // An account has its word, administrators, and ten policies; anonymous callers have none.
    assert_eq!(looked_at("products", Action::Update, Kind::Account), Some(12));
    assert_eq!(looked_at("products", Action::Update, Kind::Anonymous), Some(0));
    assert_eq!(looked_at("products", Action::Read, Kind::Account), None);
    assert_eq!(looked_at("orders", Action::Read, Kind::Anonymous), Some(1));
    assert!(policies.of("other").is_none());
}

#[test]
fn what_does_not_depend_on_the_document_is_decided_before_it_is_read() {
    let products = resource("products", "member");
    let text = r#"forbid (principal, action == Portcullis::Action::"delete", resource) unless { principal in Portcullis::Role::"clerk" };
        forbid (principal, action == Portcullis::Action::"list", resource) when { resource has hidden && resource.hidden };"#;
    let policies = load(
        &text.replace(
            "action == Portcullis::Action::\"list\", resource)",
            "action == Portcullis::Action::\"list\", resource is Portcullis::products)",
        ),
        std::slice::from_ref(&products),
    );
    let rules = Rules::new(products.access.clone(), policies.of("products").cloned());
    let decided = |caller: &Caller, action| {
        authorize(caller, action, &"products".into(), &rules).map(|permit| permit.scope().clone())
    };
    assert_eq!(decided(&account(&["clerk"]), Action::Delete), Ok(Scope::All));
    assert_eq!(decided(&account(&[]), Action::Delete), Err(Refusal::Forbidden));
    assert!(matches!(decided(&account(&[]), Action::List), Ok(Scope::Cedar(_))));
    // The access word decides alone where no policy can apply.
    assert_eq!(decided(&account(&[]), Action::Read), Ok(Scope::All));
}

#[test]
fn the_principal_of_a_request_is_made_once_however_often_it_is_decided_about() {
    let text = r#"
        forbid (principal, action, resource is Portcullis::products)
        when { resource has price_cents && resource.price_cents < 50 };
    "#;
    let products = resource("products", "member");
    let policies = load(text, std::slice::from_ref(&products));
    let rules = Rules::new(products.access.clone(), policies.of("products").cloned());
    let clerk = account(&["clerk"]);
    let permit = authorize(&clerk, Action::List, &"products".into(), &rules).unwrap();
    let principal = Arc::clone(permit.prepared().of(&clerk));
    let holders = || Arc::strong_count(&principal);
    // The permit, its scope, and this test: if somebody had one of their own, there would be fewer.
    assert_eq!(holders(), 3);
    for price in 0..100_u64 {
        let document = Facts {
            id: Uuid::from_u128(price.into()),
            owner: None,
            body: &json!({"price_cents": price}),
        };
        assert_eq!(permit.scope().covers(&document), price >= 50, "{price}");
    }
    assert_eq!(holders(), 3);
    // What a plugin does for the request is decided about with the same one, as is what it does with documents of its own.
    let of_plugin = permit.prepared().clone();
    let asked = (Action::Read, "products");
    let scopes: Vec<Scope> = (0..100)
        .flat_map(|_| {
            [
                authorize_again(&clerk, &of_plugin, asked, &rules).unwrap(),
                authorize_own(&clerk, &of_plugin, asked, None, &rules).unwrap(),
            ]
        })
        .collect();
    assert_eq!(holders(), 4 + scopes.len());
}

#[test]
fn the_schema_can_be_read_by_people() {
    let text = super::schema_text([resource("products", "owner")].iter()).unwrap();
    for part in [
        "entity products",
        "price_cents?: ",
        "action \"list\"",
        "entity Account in [Role]",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
