//! The access words as Cedar policies.

use crate::manifest::{AccessWord, Action};
use crate::policy::ADMINISTRATOR;

use super::names::NAMESPACE;

/// The policies of a resource's word for one action: each an id and its text. `document_type` is the type of the documents.
pub(super) fn policies(document_type: &str, action: Action, word: &AccessWord) -> Vec<(String, String)> {
    let rest = format!("action == {NAMESPACE}::Action::\"{action}\", resource is {NAMESPACE}::{document_type}");
    let permit = |to: &str, principal: &str, condition: &str| {
        let id = format!("access:{action}:{to}");
        (id, format!("permit ({principal}, {rest}){condition};"))
    };
    let account = format!("principal is {NAMESPACE}::Account");
    let with_role = |role: &str| format!("principal in {NAMESPACE}::Role::\"{role}\"");
    let own = match word {
        AccessWord::Anyone => return vec![permit("anyone", "principal", "")],
        // Not just the lack of a permit: what is for nobody stays so, whatever an operator's policies permit.
        AccessWord::Nobody => {
            let text = format!("forbid (principal, {rest});");
            return vec![(format!("access:{action}:nobody"), text)];
        }
        AccessWord::Member => Some(permit("member", &account, "")),
        AccessWord::Owner => {
            let condition = " when { resource has owner && resource.owner == principal }";
            Some(permit("owner", &account, condition))
        }
        AccessWord::Role(role) => Some(permit("role", &with_role(role), "")),
        AccessWord::Operator => None,
    };
    let operator = format!("principal is {NAMESPACE}::Operator");
    let everything = [
        permit("operator", &operator, ""),
        permit("administrator", &with_role(ADMINISTRATOR), ""),
    ];
    own.into_iter().chain(everything).collect()
}
