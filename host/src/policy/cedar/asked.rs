//! What policies ask about: Cedar is told no more than that, and what was decided holds where it is the same.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PrincipalConstraint, ResourceConstraint};
use serde_json::{Map, Value};

use super::names;

/// What one or more policies ask about.
#[derive(Debug)]
pub(super) struct Asked {
    /// Who the principal is, beyond what kind of one and which roles it has.
    pub(super) principal: bool,
    /// What is in what, such as a principal in a role. To have Cedar look for that is a third of a decision.
    pub(super) roles: bool,
    /// Something about the document: the decision may be another one for another document.
    pub(super) document: bool,
    /// Which document it is, beyond what its fields hold.
    pub(super) document_id: bool,
    /// Every name of an attribute, of whatever; all where a policy can't be looked into.
    attributes: Option<BTreeSet<String>>,
}

impl Asked {
    /// What is asked by one of these at least.
    pub(super) fn by_all(policies: &[&Policy]) -> Self {
        let mut asked = Self {
            principal: false,
            roles: false,
            document: false,
            document_id: false,
            attributes: Some(BTreeSet::new()),
        };
        for policy in policies {
            asked.by(policy);
        }
        asked
    }

    /// Whether a field of this name is asked for.
    pub(super) fn names(&self, name: &str) -> bool {
        self.attributes.as_ref().is_none_or(|all| all.contains(name))
    }

    fn by(&mut self, policy: &Policy) {
        let Ok(form) = policy.to_json() else {
            *self = Self {
                principal: true,
                roles: true,
                document: true,
                document_id: true,
                attributes: None,
            };
            return;
        };
        match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
            PrincipalConstraint::Eq(_) => self.principal = true,
            PrincipalConstraint::In(group) | PrincipalConstraint::IsIn(_, group) => {
                self.principal |= *group.type_name() != *names::ROLE;
                self.roles = true;
            }
        }
        match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
            ResourceConstraint::Eq(_) => self.which_document(),
            ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => {
                self.which_document();
                self.roles = true;
            }
        }
        if let Some(conditions) = form.get("conditions") {
            self.look_into(conditions);
        }
    }

    /// What an expression asks about, in the JSON form that Cedar gives its policies.
    fn look_into(&mut self, form: &Value) {
        match form {
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("." | "has", Value::Object(parts)) => self.look_for_field(parts),
                        ("in", Value::Object(parts)) => self.look_for_group(parts),
                        ("is", Value::Object(parts)) => self.look_for_kind(parts),
                        _ => self.look_into_member(name, value),
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.look_into(element)),
            _ => {}
        }
    }

    /// A field of something. Of the document itself: then not the document is asked for, but what it holds.
    fn look_for_field(&mut self, parts: &Map<String, Value>) {
        for (name, value) in parts {
            if name == "left" && value["Var"] == "resource" {
                self.document = true;
            } else {
                self.look_into_member(name, value);
            }
        }
    }

    /// What something is in. Of the principal and a role: then not who it is counts, but its roles.
    fn look_for_group(&mut self, parts: &Map<String, Value>) {
        self.roles = true;
        let is_in_role = parts.get("right").is_some_and(is_role);
        for (name, value) in parts {
            if !(is_in_role && name == "left" && value["Var"] == "principal") {
                self.look_into_member(name, value);
            }
        }
    }

    /// Of what kind something is, and perhaps what it is in. The kinds of the principal and of the document are known.
    fn look_for_kind(&mut self, parts: &Map<String, Value>) {
        let group = parts.get("in");
        self.roles |= group.is_some();
        for (name, value) in parts {
            match (name.as_str(), value["Var"].as_str(), group) {
                ("left", Some("principal"), group) if group.is_none_or(is_role) => {}
                ("left", Some("resource"), None) => self.document = true,
                _ => self.look_into_member(name, value),
            }
        }
    }

    fn look_into_member(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("Var", Value::String(variable)) if variable == "principal" => self.principal = true,
            ("Var", Value::String(variable)) if variable == "resource" => self.which_document(),
            ("attr", Value::String(name)) => self.add(name),
            ("attr", Value::Array(names)) => names.iter().filter_map(Value::as_str).for_each(|name| self.add(name)),
            _ => self.look_into(value),
        }
    }

    fn which_document(&mut self) {
        self.document = true;
        self.document_id = true;
    }

    fn add(&mut self, name: &str) {
        if let Some(all) = &mut self.attributes {
            all.insert(name.to_owned());
        }
    }
}

fn is_role(group: &Value) -> bool {
    group["Value"]["__entity"]["type"] == names::ROLE.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> (bool, bool, bool, bool) {
        let policy = Policy::parse(None, text).unwrap();
        let asked = Asked::by_all(&[&policy]);
        (asked.principal, asked.roles, asked.document, asked.document_id)
    }

    #[test]
    fn only_what_is_asked_for_counts() {
        for (policy, expected) in [
            ("permit (principal, action, resource);", (false, false, false, false)),
            (
                "permit (principal is P::A, action, resource is P::B);",
                (false, false, false, false),
            ),
            (
                r#"permit (principal == P::A::"1", action, resource);"#,
                (true, false, false, false),
            ),
            (
                r#"permit (principal in P::R::"1", action, resource);"#,
                (true, true, false, false),
            ),
            (
                r#"permit (principal, action, resource == P::B::"1");"#,
                (false, false, true, true),
            ),
            (
                r#"permit (principal, action, resource in P::B::"1");"#,
                (false, true, true, true),
            ),
        ] {
            assert_eq!(asked(policy), expected, "{policy}");
        }
        for (condition, expected) in [
            ("resource has a", (false, false, true, false)),
            ("resource has a && resource.a == 1", (false, false, true, false)),
            ("resource has a.b.c", (false, false, true, false)),
            ("resource.a.b.c == 1", (false, false, true, false)),
            ("resource.owner == principal", (true, false, true, false)),
            (r#"resource == P::B::"1""#, (false, false, true, true)),
            ("[resource].contains(resource)", (false, false, true, true)),
            ("{left: resource}.left has a", (false, false, true, true)),
            (
                "(if true then resource else resource).a == 1",
                (false, false, true, true),
            ),
            (r#"resource is P::B in P::B::"1""#, (false, true, true, true)),
            (r#"[principal] == []"#, (true, false, false, false)),
            (r#"principal in Portcullis::Role::"1""#, (false, true, false, false)),
            (r#"principal in [Portcullis::Role::"1"]"#, (true, true, false, false)),
            (r#"principal in P::A::"1""#, (true, true, false, false)),
            (r#"principal is P::A in P::A::"1""#, (true, true, false, false)),
            (
                r#"principal is P::A in Portcullis::Role::"1""#,
                (false, true, false, false),
            ),
            ("principal is P::A", (false, false, false, false)),
            ("resource is P::B", (false, false, true, false)),
            (r#"resource in P::B::"1""#, (false, true, true, true)),
            (
                r#"(if true then principal else principal) in Portcullis::Role::"1""#,
                (true, true, false, false),
            ),
            (r#"resource has "in""#, (false, false, true, false)),
        ] {
            let policy = format!("permit (principal, action, resource) when {{ {condition} }};");
            assert_eq!(asked(&policy), expected, "{policy}");
        }
    }

    #[test]
    fn what_one_of_many_asks_for_is_asked_for() {
        let [one, other] = [
            "permit (principal, action, resource) when { resource has a };",
            r#"forbid (principal == P::A::"1", action, resource) unless { resource has b };"#,
        ]
        .map(|text| Policy::parse(None, text).unwrap());
        let asked = Asked::by_all(&[&one, &other]);
        assert!(asked.principal && asked.document && !asked.roles && !asked.document_id);
        assert!(asked.names("a") && asked.names("b") && !asked.names("c"));
    }
}
