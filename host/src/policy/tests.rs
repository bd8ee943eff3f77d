//! Tests of the decisions: each access word for each caller, scopes, and grants over every wish.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::grants::{Denial, Power, Powers, Standing, crud_powers};
use super::{Account, Caller, Facts, Refusal, Rules, Scope, authorize};
use crate::config::{Config, Grant};
use crate::manifest::{Access, AccessWord, Action, CollectionWish, Instances, Limits, Manifest, Wants};

fn account(roles: &[&str]) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(1),
        roles: roles.iter().map(ToString::to_string).collect(),
        limits: None,
    })
}

#[test]
fn each_access_word_decides_for_each_caller() {
    let resource: Arc<str> = "products".into();
    let (all, own) = (&Ok(Scope::All), &Ok(Scope::Owned(Uuid::from_u128(1))));
    let (unknown, refused) = (&Err(Refusal::Unauthenticated), &Err(Refusal::Forbidden));
    // The callers: nobody, an editor, an administrator, the operator.
    let callers = [
        Caller::Anonymous,
        account(&["editor"]),
        account(&["admin"]),
        Caller::Operator,
    ];
    for (word, expected) in [
        ("anyone", [all, all, all, all]),
        ("member", [unknown, all, all, all]),
        ("owner", [unknown, own, all, all]),
        ("role:editor", [unknown, all, all, all]),
        ("role:author", [unknown, refused, all, all]),
        ("role:admin", [unknown, refused, all, all]),
        ("operator", [unknown, refused, all, all]),
        ("nobody", [refused; 4]),
    ] {
        let rules = Rules::from(Access::all(AccessWord::parse(word).unwrap()));
        for (caller, expected) in callers.iter().zip(expected) {
            for action in Action::ALL {
                let decided = authorize(caller, action, &resource, &rules);
                assert_eq!(
                    &decided.map(|permit| permit.scope().clone()),
                    expected,
                    "{word} {caller:?} {action}"
                );
            }
        }
    }
}

#[test]
fn each_action_asks_its_own_word() {
    let resource: Arc<str> = "products".into();
    for allowed in Action::ALL {
        let mut access = Access::all(AccessWord::Nobody);
        *match allowed {
            Action::List => &mut access.list,
            Action::Read => &mut access.read,
            Action::Create => &mut access.create,
            Action::Update => &mut access.update,
            Action::Delete => &mut access.delete,
        } = AccessWord::Anyone;
        let rules = Rules::from(access);
        for action in Action::ALL {
            let decided = authorize(&Caller::Anonymous, action, &resource, &rules);
            assert_eq!(
                decided.is_ok(),
                action == allowed,
                "{action} where {allowed} is allowed"
            );
        }
    }
}

#[test]
fn a_permit_says_who_may_do_what() {
    let permit = authorize(
        &account(&[]),
        Action::Read,
        &"products".into(),
        &Access::all(AccessWord::Anyone).into(),
    )
    .unwrap();
    assert_eq!(permit.caller(), &account(&[]));
    assert_eq!((&**permit.resource(), permit.action()), ("products", Action::Read));
}

#[test]
fn a_scope_of_owned_documents_covers_no_others() {
    let (mine, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for (owner, covered) in [(Some(mine), true), (Some(theirs), false), (None, false)] {
        let document = Facts {
            id: Uuid::from_u128(3),
            owner,
            body: &serde_json::Value::Null,
        };
        assert!(Scope::All.covers(&document));
        assert_eq!(Scope::Owned(mine).covers(&document), covered, "{owner:?}");
        let either = Scope::Owned(theirs).or(Scope::Owned(mine));
        assert_eq!(either.covers(&document), owner.is_some(), "{owner:?}");
    }
    assert_eq!(Scope::Owned(mine).or(Scope::Owned(mine)), Scope::Owned(mine));
    assert_eq!(Scope::Owned(mine).or(Scope::All), Scope::All);
}

#[test]
fn only_those_who_may_do_everything_import() {
    let rules = Rules::from(Access::all(AccessWord::Anyone));
    let permit = |caller: &Caller| authorize(caller, Action::Create, &"products".into(), &rules).unwrap();
    assert!(!permit(&Caller::Operator).imports());
    for (caller, imports) in [
        (Caller::Anonymous, false),
        (account(&["editor"]), false),
        (account(&["admin"]), true),
        (Caller::Operator, true),
    ] {
        assert_eq!(permit(&caller).importing().imports(), imports, "{caller:?}");
    }
}

#[test]
fn a_caller_has_the_roles_of_its_account_and_administrators_have_every_one() {
    let (editor, administrator) = (account(&["editor"]), account(&["admin"]));
    assert!(editor.has_role("editor") && !editor.has_role("admin") && !editor.is_operator());
    assert!(administrator.has_role("editor") && administrator.is_operator());
    assert!(!Caller::Anonymous.has_role("editor") && !Caller::Anonymous.is_operator());
    assert!(Caller::Operator.has_role("editor") && Caller::Operator.is_operator());
    assert_eq!(
        (editor.account(), Caller::Operator.account()),
        (Some(Uuid::from_u128(1)), None)
    );
}

fn wish(actions: &[Action], as_system: bool) -> CollectionWish {
    CollectionWish {
        actions: actions.iter().copied().collect(),
        as_system,
    }
}

fn powers(wanted: CollectionWish, granted: Option<CollectionWish>) -> Powers {
    let collections = |wish: Option<CollectionWish>| {
        let named = wish.map(|wish| ("products".to_owned(), wish));
        named.into_iter().collect::<BTreeMap<_, _>>()
    };
    let manifest = Manifest {
        name: "orders".to_owned(),
        version: "0.1.0".to_owned(),
        instances: Instances::Fresh,
        resources: Vec::new(),
        wants: Wants {
            collections: collections(Some(wanted)),
            ..Wants::default()
        },
        limits: Limits::default(),
    };
    let grant = Grant {
        collections: collections(granted),
        ..Grant::default()
    };
    crud_powers(&manifest, &grant)
}

#[test]
fn what_is_wanted_and_granted_is_allowed() {
    let wanted = wish(&[Action::Read, Action::Update], true);
    let powers = powers(wanted.clone(), Some(wanted.clone()));
    let expected = Power {
        actions: wanted.actions,
        standing: Standing::AsSystem,
        write_only: false,
    };
    assert_eq!(powers.collections["products"], expected);
    assert_eq!(powers.denied, []);
}

#[test]
fn what_is_granted_and_not_wanted_is_not_allowed() {
    let powers = powers(wish(&[Action::Read], false), Some(wish(&Action::ALL, true)));
    let expected = Power {
        actions: [Action::Read].into(),
        standing: Standing::AsCaller,
        write_only: false,
    };
    assert_eq!(powers.collections["products"], expected);
}

#[test]
fn a_denial_names_the_line_that_would_allow_it() {
    let denied = powers(wish(&[Action::List, Action::Read, Action::Update], true), None).denied;
    let said = denied[0].to_string();
    assert_eq!(
        said,
        "`orders` may not list, read, update, act as the system on `products`: \
         write `products = { actions = [\"read\", \"update\"], as = \"system\" }` \
         under `[grants.orders.collections]` in portcullis.toml"
    );
}

#[test]
fn no_grant_gives_a_crud_call_the_network_or_a_secret() {
    let mut manifest = Manifest {
        name: "orders".to_owned(),
        version: "0.1.0".to_owned(),
        instances: Instances::Fresh,
        resources: Vec::new(),
        wants: Wants::default(),
        limits: Limits::default(),
    };
    manifest.wants.egress.push("https://api.example.com/".to_owned());
    manifest.wants.secrets.push("api-key".to_owned());
    let powers = crud_powers(&manifest, &Grant::default());
    assert!(powers.collections.is_empty());
    assert!(
        powers
            .denied
            .iter()
            .all(|denial| matches!(denial, Denial::NotInRole { .. }))
    );
    assert_eq!(powers.denied.len(), 2);
}

#[test]
fn hidden_fields_of_others_are_both_wanted_and_granted() {
    let text = |write_only: &str| {
        format!(
            "[plugin]\nname = \"orders\"\nversion = \"0.1.0\"\n[wants]\ncollections = {{ users = [\"read\"] }}\n{write_only}"
        )
    };
    let wanting = |write_only| Manifest::parse("plugin.toml", &text(write_only), &|_| Err(String::new())).unwrap();
    let granting = |text: &str| Config::parse("portcullis.toml", text).unwrap().grants["orders"].clone();
    let (plain, wish) = (wanting(""), wanting("write_only = [\"users\"]"));
    let read = granting("[grants.orders.collections]\nusers = [\"read\"]");
    let all = granting("[grants.orders]\nwrite_only = [\"users\"]\n[grants.orders.collections]\nusers = [\"read\"]");
    for (manifest, grant, sees) in [(&plain, &all, false), (&wish, &read, false), (&wish, &all, true)] {
        let powers = crud_powers(manifest, grant);
        assert_eq!(powers.collections["users"].write_only, sees);
    }
    let denied = crud_powers(&wish, &read).denied;
    assert_eq!(
        denied[0].to_string(),
        "`orders` may not see the fields of `users` that are writeOnly: \
         write `write_only = [\"users\"]` under `[grants.orders]` in portcullis.toml"
    );
    assert_eq!(crud_powers(&wish, &all).denied, []);
}

prop_compose! {
    fn any_wish()(
        actions in proptest::collection::btree_set(proptest::sample::select(Action::ALL.to_vec()), 1..=5),
        as_system in any::<bool>(),
    ) -> CollectionWish {
        let mut actions = actions;
        if actions.contains(&Action::Read) {
            actions.insert(Action::List);
        }
        CollectionWish { actions, as_system }
    }
}

proptest! {
    #[test]
    fn a_power_is_both_wanted_and_granted(wanted in any_wish(), granted in any_wish()) {
        let powers = powers(wanted.clone(), Some(granted.clone()));
        let power = powers.collections.get("products");
        for action in Action::ALL {
            let has = power.is_some_and(|power| power.actions.contains(&action));
            prop_assert_eq!(has, wanted.actions.contains(&action) && granted.actions.contains(&action));
        }
        if let Some(power) = power {
            prop_assert_eq!(power.standing == Standing::AsSystem, wanted.as_system && granted.as_system);
        }
    }

    #[test]
    fn the_line_of_a_denial_allows_all_that_was_wanted(wanted in any_wish(), granted in proptest::option::of(any_wish())) {
        if let Some(Denial::NotGranted { remedy, .. }) = powers(wanted.clone(), granted).denied.first() {
            let text = format!("{}\n{}\n", remedy.table, remedy.line);
            let config = Config::parse("portcullis.toml", &text).unwrap();
            let granted = config.grants["orders"].collections["products"].clone();
            prop_assert_eq!(powers(wanted, Some(granted)).denied, []);
        }
    }
}
