//! The access words decide alike natively and in Cedar, for every word, caller, action and document.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Facts, Policies};
use crate::config::PolicyFile;
use crate::manifest::{Access, AccessWord, Action, Resource};
use crate::policy::{Account, Caller, Refusal, Rules, authorize};

/// An account that no test has: a policy about it alone has Cedar decide, and changes nothing.
const NOBODY_HERE: &str =
    r#"permit (principal == Portcullis::Account::"ffffffff-ffff-4fff-bfff-ffffffffffff", action, resource);"#;

fn resource(access: Access) -> Resource {
    Resource {
        name: "line-items".to_owned(),
        schema: Arc::new(json!({"type": "object", "properties": {"name": {"type": "string"}}})),
        indexes: Vec::new(),
        unique: Vec::new(),
        access,
        on_erase: Default::default(),
    }
}

/// The same words twice: decided natively, and by Cedar.
fn both(access: &Access) -> (Rules, Rules) {
    let resource = resource(access.clone());
    let file = PolicyFile {
        name: "neutral.cedar".to_owned(),
        text: NOBODY_HERE.to_owned(),
    };
    let policies = Policies::load(&[file], [&resource].into_iter()).unwrap_or_else(|found| panic!("{found}"));
    let decided_by = policies.of("line-items").cloned();
    assert!(
        Action::ALL
            .iter()
            .all(|action| decided_by.as_ref().is_some_and(|by| by.decides(*action)))
    );
    (access.clone().into(), Rules::new(access.clone(), decided_by))
}

/// Whether the caller may act on a document of this owner; where not even on some document, why not.
fn decision(caller: &Caller, action: Action, rules: &Rules, owner: Option<Uuid>) -> Result<bool, Refusal> {
    let permit = authorize(caller, action, &"line-items".into(), rules)?;
    Ok(permit.scope().covers(&Facts {
        id: Uuid::from_u128(9),
        owner,
        body: &Value::Null,
    }))
}

fn word() -> impl Strategy<Value = AccessWord> {
    let words = [
        "anyone",
        "member",
        "owner",
        "operator",
        "nobody",
        "role:admin",
        "role:editor",
        "role:a-b_1",
    ];
    select(words.to_vec()).prop_map(|word| AccessWord::parse(word).unwrap())
}

fn caller() -> impl Strategy<Value = Caller> {
    let roles = prop::collection::vec(select(vec!["admin", "editor", "a-b_1", "other", "operator"]), 0..4);
    let account = (roles, 1..=2_u128).prop_map(|(roles, id)| {
        Caller::Account(Account {
            id: Uuid::from_u128(id),
            roles: roles.iter().map(ToString::to_string).collect(),
            limits: None,
        })
    });
    prop_oneof![1 => Just(Caller::Anonymous), 1 => Just(Caller::Operator), 4 => account]
}

proptest! {
    #[test]
    fn the_words_decide_alike_natively_and_in_cedar(
        words in prop::array::uniform5(word()),
        caller in caller(),
        owner in prop::option::of(1..=3_u128),
    ) {
        let [list, read, create, update, delete] = words;
        let access = Access { list, read, create, update, delete };
        let (native, cedar) = both(&access);
        let owner = owner.map(Uuid::from_u128);
        for action in Action::ALL {
            prop_assert_eq!(
                decision(&caller, action, &native, owner),
                decision(&caller, action, &cedar, owner),
                "{} {:?} {}", access.word(action), caller, action
            );
        }
    }
}
