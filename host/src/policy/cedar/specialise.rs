//! Policies without what the choice of a slice has decided already: to evaluate it once more for each document is a fifth of a
//! decision.

use cedar_policy::{ActionConstraint, Policy, PrincipalConstraint, ResourceConstraint};
use serde_json::{Value, json};

/// The policy as it is within the slices of an action, a type of resource and a kind of principal that it applies to: there its
/// constraints to these always hold. Those to a single resource, to one principal or to a role stay. Where Cedar can't
/// rewrite it, it is as good as it was.
pub(super) fn specialised(policy: &Policy) -> Policy {
    let Ok(mut form) = policy.to_json() else {
        return policy.clone();
    };
    if !matches!(policy.action_constraint(), ActionConstraint::Any) {
        drop_constraint(&mut form, "action");
    }
    if matches!(policy.resource_constraint(), ResourceConstraint::Is(_)) {
        drop_constraint(&mut form, "resource");
    }
    if matches!(policy.principal_constraint(), PrincipalConstraint::Is(_)) {
        drop_constraint(&mut form, "principal");
    }
    Policy::from_json(Some(policy.id().clone()), form).unwrap_or_else(|_| policy.clone())
}

fn drop_constraint(form: &mut Value, to: &str) {
    form[to] = json!({ "op": "All" });
}

#[cfg(test)]
mod tests {
    use cedar_policy::PolicyId;

    use super::*;

    fn rewritten(text: &str) -> Policy {
        let policy = Policy::parse(Some(PolicyId::new("shop.cedar:3")), text).unwrap();
        let rewritten = specialised(&policy);
        assert_eq!(rewritten.id(), policy.id());
        assert_eq!(rewritten.effect(), policy.effect());
        assert_eq!(
            rewritten.to_json().unwrap()["conditions"],
            policy.to_json().unwrap()["conditions"]
        );
        rewritten
    }

    #[test]
    fn what_the_slice_has_decided_is_not_asked_again() {
        let policy = rewritten(
            r#"forbid (principal is P::Account, action in [P::Action::"read", P::Action::"list"], resource is P::items)
               when { resource.price > 10 } unless { principal in P::Role::"editor" };"#,
        );
        assert!(matches!(policy.principal_constraint(), PrincipalConstraint::Any));
        assert!(matches!(policy.action_constraint(), ActionConstraint::Any));
        assert!(matches!(policy.resource_constraint(), ResourceConstraint::Any));
    }

    #[test]
    fn roles_and_single_resources_are_still_asked_for() {
        let policy = rewritten(
            r#"permit (principal in P::Role::"editor", action == P::Action::"read", resource == P::items::"7");"#,
        );
        assert!(matches!(policy.principal_constraint(), PrincipalConstraint::In(_)));
        assert!(matches!(policy.action_constraint(), ActionConstraint::Any));
        assert!(matches!(policy.resource_constraint(), ResourceConstraint::Eq(_)));
        let policy = rewritten(
            r#"permit (principal is P::Account in P::Role::"editor", action, resource is P::items in P::items::"7");"#,
        );
        assert!(matches!(policy.principal_constraint(), PrincipalConstraint::IsIn(..)));
        assert!(matches!(policy.resource_constraint(), ResourceConstraint::IsIn(..)));
    }
}
