//! What is remembered of decisions, and that it is what would be decided anew.

use std::sync::Arc;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::memory::{MAX_BYTES, MAX_KNOWN, Memories};
use super::set::word_policies;
use super::{Facts, Kind, Policies, Principal, Slice};
use crate::config::PolicyFile;
use crate::manifest::{Access, AccessWord, Action, Resource};
use crate::policy::{Account, Caller};

fn products(word: AccessWord) -> Resource {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "price_cents": {"type": "integer"}, "hidden": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
    }});
    Resource {
        name: "products".to_owned(),
        schema: Arc::new(schema),
        indexes: Vec::new(),
        unique: Vec::new(),
        access: Access::all(word),
        on_erase: Default::default(),
    }
}

fn load(text: &str, products: &Resource) -> Policies {
    let file = PolicyFile {
        name: "shop.cedar".to_owned(),
        text: text.to_owned(),
    };
    Policies::load(&[file], [products].into_iter()).unwrap_or_else(|found| panic!("{found}"))
}

/// Policies over a word that only operators and administrators meet.
fn over_operator(text: &str) -> Policies {
    load(text, &products(AccessWord::Operator))
}

fn account(id: u128, roles: &[&str]) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(id),
        roles: roles.iter().map(ToString::to_string).collect(),
        limits: None,
    })
}

/// What decides whether one of a kind may read a product.
fn slice(policies: &Policies, kind: Kind) -> Arc<Slice> {
    let products = policies.of("products").expect("a policy is about products");
    Arc::clone(products.slice(Action::Read, kind).expect("Cedar decides"))
}

fn facts(body: &Value) -> Facts<'_> {
    Facts {
        id: Uuid::from_u128(9),
        owner: Some(Uuid::from_u128(1)),
        body,
    }
}

#[test]
fn a_decision_holds_for_all_that_is_alike_in_what_is_asked_for() {
    let policies = over_operator(
        r#"permit (principal, action, resource is Portcullis::products) when { resource has name && resource.name == "lamp" };"#,
    );
    let slice = slice(&policies, Kind::Account);
    for number in 0..100_u128 {
        let principal = Principal::of(&account(number, &["clerk"]));
        let body = json!({"name": if number % 2 == 0 { "lamp" } else { "rope" }, "price_cents": number as u64});
        let facts = Facts {
            id: Uuid::from_u128(number),
            owner: Some(Uuid::from_u128(number)),
            body: &body,
        };
        assert_eq!(slice.allows(&principal, Some(&facts)), number % 2 == 0, "{body}");
    }
    assert_eq!(slice.remembered(), 2, "a lamp, and a rope");
    let none = json!({});
    let null = json!({"name": null});
    for body in [&none, &null] {
        assert!(!slice.allows(&Principal::of(&account(1, &[])), Some(&facts(body))));
    }
    assert_eq!(slice.remembered(), 3, "a field that is null is as good as none");
}

#[test]
fn each_slice_remembers_its_own() {
    let policies = over_operator(
        r#"permit (principal, action == Portcullis::Action::"read", resource is Portcullis::products) when { resource has hidden };
           forbid (principal is Portcullis::Anonymous, action == Portcullis::Action::"read", resource is Portcullis::products) when { resource has hidden };"#,
    );
    let (anonymous, accounts) = (slice(&policies, Kind::Anonymous), slice(&policies, Kind::Account));
    let body = json!({"hidden": true});
    for _ in 0..2 {
        assert!(accounts.allows(&Principal::of(&account(1, &[])), Some(&facts(&body))));
        assert!(!anonymous.allows(&Principal::of(&Caller::Anonymous), Some(&facts(&body))));
    }
    assert_eq!(accounts.remembered(), 2);
}

#[test]
fn what_is_long_or_can_not_be_decided_is_not_remembered() {
    let policies = over_operator(
        r#"permit (principal, action, resource is Portcullis::products) when { resource has name && resource.name like "l*" };
           forbid (principal, action, resource is Portcullis::products)
           when { resource has price_cents && resource.price_cents * 2 == 3 };"#,
    );
    let slice = slice(&policies, Kind::Account);
    let principal = Principal::of(&account(1, &[]));
    for (body, allowed) in [
        (json!({"name": "l".repeat(MAX_BYTES)}), true),
        (json!({"name": "k".repeat(MAX_BYTES)}), false),
        (json!({"name": "lamp", "price_cents": i64::MAX}), false),
        (json!({"name": ["lamp"]}), false),
        (json!({"name": {"lamp": 1}}), false),
    ] {
        for _ in 0..2 {
            assert_eq!(slice.allows(&principal, Some(&facts(&body))), allowed, "{body}");
        }
    }
    assert_eq!(slice.remembered(), 0);
}

#[test]
fn no_more_than_so_many_are_remembered() {
    let memory = Memories::default().of_slice();
    for number in 0..MAX_KNOWN as u64 * 3 {
        let mut question = memory.question();
        question.value(Some(&json!(number))).expect("there is room");
        memory.remember(&question, true);
    }
    let known = memory.known();
    assert!((MAX_KNOWN / 2..=MAX_KNOWN).contains(&known), "{known}");
}

#[test]
fn what_differs_is_never_taken_for_one() {
    let memory = Memories::default().of_slice();
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("1"),
        json!("true"),
        json!("-"),
        json!("s\u{1}a"),
        json!("ab"),
        json!([]),
        json!([null]),
        json!([0]),
        json!(["ab"]),
        json!(["a", "b"]),
        json!(["a", ["b"]]),
        json!([["a"], "b"]),
        json!(["", "ab"]),
        json!([[], []]),
    ];
    let mut asked = 0;
    for first in &values {
        for second in &values {
            let mut question = memory.question();
            question.value(Some(first)).expect("there is room");
            question.value(Some(second)).expect("there is room");
            assert_eq!(memory.answer(&question), None, "{first} and {second} are as others");
            memory.remember(&question, true);
            asked += 1;
        }
    }
    assert_eq!(memory.known(), asked);
}

const PRINCIPALS: [&str; 5] = [
    "principal",
    "principal is Portcullis::Account",
    r#"principal == Portcullis::Account::"00000000-0000-0000-0000-000000000001""#,
    r#"principal in Portcullis::Role::"clerk""#,
    r#"principal is Portcullis::Account in Portcullis::Role::"clerk""#,
];
const RESOURCES: [&str; 3] = [
    "resource",
    "resource is Portcullis::products",
    r#"resource == Portcullis::products::"00000000-0000-0000-0000-000000000009""#,
];
const CONDITIONS: [&str; 16] = [
    "true",
    r#"resource has name && resource.name like "l*""#,
    "resource has price_cents && resource.price_cents * 2 < 10",
    "resource has hidden && resource.hidden",
    r#"resource has tags && resource.tags.contains("new")"#,
    "principal is Portcullis::Account && resource has owner && resource.owner == principal",
    "principal is Portcullis::Account && resource has owner && principal != resource.owner",
    r#"resource has owner && resource.owner == Portcullis::Account::"00000000-0000-0000-0000-000000000002""#,
    "principal is Portcullis::Account && resource has owner && [principal].contains(resource.owner)",
    "principal is Portcullis::Account && resource has owner && principal in resource.owner",
    r#"principal in Portcullis::Role::"clerk""#,
    r#"principal in [Portcullis::Role::"clerk", Portcullis::Role::"editor"]"#,
    r#"{"==": principal in Portcullis::Role::"clerk"} == {"==": true}"#,
    r#"resource has owner && {".": resource.owner} == {".": Portcullis::Account::"00000000-0000-0000-0000-000000000002"}"#,
    r#"[resource].contains(Portcullis::products::"00000000-0000-0000-0000-000000000009")"#,
    "!(resource has owner)",
];

/// Whether it permits, and the rest of it.
fn policy() -> impl Strategy<Value = (bool, String)> {
    let parts = (
        any::<bool>(),
        select(PRINCIPALS.to_vec()),
        select(RESOURCES.to_vec()),
        select(CONDITIONS.to_vec()),
    );
    parts.prop_map(|(permits, principal, resource, condition)| {
        let effect = if permits { "permit" } else { "forbid" };
        let text = format!("{effect} ({principal}, action, {resource}) when {{ {condition} }};\n");
        (permits, text)
    })
}

fn word() -> impl Strategy<Value = AccessWord> {
    let words = ["anyone", "member", "owner", "operator", "role:editor", "nobody"];
    select(words.to_vec()).prop_map(|word| AccessWord::parse(word).unwrap())
}

fn caller() -> impl Strategy<Value = Caller> {
    let account = (1..=2_u128, subsequence(vec!["clerk", "editor"], 0..=2)).prop_map(|(id, roles)| account(id, &roles));
    prop_oneof![1 => Just(Caller::Anonymous), 1 => Just(Caller::Operator), 6 => account]
}

fn field(values: &[Value]) -> impl Strategy<Value = Option<Value>> + use<> {
    prop::option::of(select(values.to_vec()))
}

fn body() -> impl Strategy<Value = Value> {
    let fields = (
        field(&[json!("lamp"), json!("rope"), json!("l".repeat(300))]),
        field(&[json!(1), json!(7), json!(i64::MAX)]),
        field(&[json!(true), json!(false)]),
        field(&[json!([]), json!(["new"]), json!(["new", "old"])]),
    );
    fields.prop_map(|(name, price, hidden, tags)| {
        let fields = [
            ("name", name),
            ("price_cents", price),
            ("hidden", hidden),
            ("tags", tags),
        ];
        let present = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(Map::from_iter(present))
    })
}

type Document = (u128, Option<u128>, Value);

fn document() -> impl Strategy<Value = Document> {
    (9..=10_u128, prop::option::of(1..=2_u128), body())
}

/// What Cedar decides that is given all policies as they were written, and all there is to know.
fn decided_by_all(policies: &PolicySet, caller: &Caller, (id, owner, body): &Document) -> bool {
    let id = Uuid::from_u128(*id).to_string();
    let (kind, name) = match caller {
        Caller::Anonymous => ("Anonymous", "anonymous".to_owned()),
        Caller::Operator => ("Operator", "operator".to_owned()),
        Caller::Account(account) => ("Account", account.id.to_string()),
    };
    let roles: Vec<Value> = match caller {
        Caller::Account(account) => account
            .roles
            .iter()
            .map(|role| json!({"type": "Portcullis::Role", "id": role}))
            .collect(),
        _ => Vec::new(),
    };
    let mut attributes = body.clone();
    if let Some(owner) = owner {
        let owner = Uuid::from_u128(*owner).to_string();
        attributes["owner"] = json!({"__entity": {"type": "Portcullis::Account", "id": owner}});
    }
    let known = json!([
        {"uid": {"type": format!("Portcullis::{kind}"), "id": name}, "attrs": {}, "parents": roles},
        {"uid": {"type": "Portcullis::products", "id": id}, "attrs": attributes, "parents": []},
    ]);
    let known = Entities::from_json_value(known, None).unwrap();
    let uid = |text: String| text.parse::<EntityUid>().unwrap();
    let request = Request::new(
        uid(format!("Portcullis::{kind}::\"{name}\"")),
        uid(r#"Portcullis::Action::"read""#.to_owned()),
        uid(format!("Portcullis::products::\"{id}\"")),
        Context::empty(),
        None,
    );
    let response = Authorizer::new().is_authorized(&request.unwrap(), policies, &known);
    response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_remembered_is_what_all_policies_decide_about_all_there_is_to_know(
        word in word(),
        policies in prop::collection::vec(policy(), 1..5),
        callers in prop::collection::vec(caller(), 1..6),
        documents in prop::collection::vec(document(), 1..12),
    ) {
        let products = products(word);
        let text: String = policies.iter().map(|(_, text)| text.as_str()).collect();
        let loaded = load(&text, &products);
        let words: String = word_policies("products", Action::Read, &products)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        let all: PolicySet = format!("{text}{words}").parse().unwrap();
        let forbids = policies.iter().filter(|(permits, _)| !permits).map(|(_, text)| text.as_str());
        let forbids: String = forbids.chain(["permit (principal, action, resource);"]).collect();
        let forbids: PolicySet = forbids.parse().unwrap();
        // What was decided about one is there when the next is decided about, and each is decided about twice.
        for _ in 0..2 {
            for caller in &callers {
                let principal = Principal::of(caller);
                for document in &documents {
                    let (id, owner, body) = document;
                    let facts = Facts { id: Uuid::from_u128(*id), owner: owner.map(Uuid::from_u128), body };
                    let slice = slice(&loaded, Kind::of(caller));
                    prop_assert_eq!(
                        slice.allows(&principal, Some(&facts)),
                        decided_by_all(&all, caller, document),
                        "{:?} {:?} {}", caller, facts, text
                    );
                    let of_products = loaded.of("products").unwrap();
                    let is_forbidden = of_products
                        .forbidden(Action::Read, Kind::of(caller))
                        .is_some_and(|slice| !slice.allows(&principal, Some(&facts)));
                    prop_assert_eq!(
                        is_forbidden,
                        !decided_by_all(&forbids, caller, document),
                        "{:?} {:?} {}", caller, facts, text
                    );
                }
            }
        }
    }
}
