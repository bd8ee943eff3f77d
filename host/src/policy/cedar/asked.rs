//! What policies ask about: Cedar is told no more than that, and what was decided holds where it is the same.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PrincipalConstraint, ResourceConstraint};
use serde_json::{Map, Value};

use super::names::{self, OWNER};

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
    /// Whose it is, beyond whether it has an owner.
    pub(super) owner: bool,
    /// Whether it is the principal's own.
    pub(super) own: bool,
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
            owner: false,
            own: false,
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
                owner: true,
                own: true,
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
                        // What its fields are called is the operator's to choose.
                        ("Record", Value::Object(fields)) => fields.values().for_each(|field| self.look_into(field)),
                        ("." | "has", Value::Object(parts)) => self.look_for_field(name, parts),
                        ("==" | "!=", Value::Object(parts)) => self.look_for_owner(parts),
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
    fn look_for_field(&mut self, operator: &str, parts: &Map<String, Value>) {
        self.owner |= operator == "." && parts.get("attr").is_some_and(|name| name == OWNER);
        for (name, value) in parts {
            if name == "left" && value["Var"] == "resource" {
                self.document = true;
            } else {
                self.look_into_member(name, value);
            }
        }
    }

    /// Whether two things are the same. Of the owner and the principal: then neither is asked for, but whether it is so.
    fn look_for_owner(&mut self, parts: &Map<String, Value>) {
        let sides = [parts.get("left"), parts.get("right")];
        let is_principal = |side: &Option<&Value>| side.is_some_and(|side| side["Var"] == "principal");
        if sides.iter().any(is_principal) && sides.iter().any(|side| side.is_some_and(is_owner)) {
            self.document = true;
            self.own = true;
            self.add(OWNER);
        } else {
            parts
                .iter()
                .for_each(|(name, value)| self.look_into_member(name, value));
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
        self.roles |= name == "in";
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

fn is_owner(side: &Value) -> bool {
    let field = &side["."];
    field["left"]["Var"] == "resource" && field["attr"] == OWNER
}

fn is_role(group: &Value) -> bool {
    group["Value"]["__entity"]["type"] == names::ROLE.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a policy asks about, in words.
    fn asked(text: &str) -> String {
        let policy = Policy::parse(None, text).unwrap();
        let asked = Asked::by_all(&[&policy]);
        let parts = [
            (asked.principal, "principal"),
            (asked.roles, "roles"),
            (asked.document, "document"),
            (asked.document_id, "id"),
            (asked.owner, "owner"),
            (asked.own, "own"),
        ];
        let words: Vec<&str> = parts
            .into_iter()
            .filter_map(|(is_asked, word)| is_asked.then_some(word))
            .collect();
        words.join(" ")
    }

    #[test]
    fn constraints_ask_for_one_or_for_a_group() {
        for (policy, expected) in [
            ("permit (principal, action, resource);", ""),
            ("permit (principal is P::A, action, resource is P::B);", ""),
            (r#"permit (principal == P::A::"1", action, resource);"#, "principal"),
            (
                r#"permit (principal in P::A::"1", action, resource);"#,
                "principal roles",
            ),
            (
                r#"permit (principal in Portcullis::Role::"1", action, resource);"#,
                "roles",
            ),
            (
                r#"permit (principal is P::A in Portcullis::Role::"1", action, resource);"#,
                "roles",
            ),
            (r#"permit (principal, action, resource == P::B::"1");"#, "document id"),
            (
                r#"permit (principal, action, resource in P::B::"1");"#,
                "roles document id",
            ),
        ] {
            assert_eq!(asked(policy), expected, "{policy}");
        }
    }

    #[test]
    fn conditions_ask_for_no_more_than_they_use() {
        for (condition, expected) in [
            ("resource has a", "document"),
            ("resource has a && resource.a == 1", "document"),
            ("resource has a.b.c", "document"),
            ("resource.a.b.c == 1", "document"),
            ("resource has owner", "document"),
            ("resource has owner && resource.owner == principal", "document own"),
            ("principal != resource.owner", "document own"),
            (r#"resource.owner == P::A::"1""#, "document owner"),
            ("[resource.owner].contains(principal)", "principal document owner"),
            ("resource.owner.owner == principal", "principal document owner"),
            ("resource.a == principal", "principal document"),
            ("principal == principal", "principal"),
            (r#"resource == P::B::"1""#, "document id"),
            ("[resource].contains(resource)", "document id"),
            ("{left: resource}.left has a", "document id"),
            ("(if true then resource else resource).a == 1", "document id"),
            ("[principal] == []", "principal"),
            ("principal is P::A", ""),
            ("resource is P::B", "document"),
            (r#"principal in Portcullis::Role::"1""#, "roles"),
            (r#"principal in [Portcullis::Role::"1"]"#, "principal roles"),
            (r#"principal in P::A::"1""#, "principal roles"),
            (r#"principal is P::A in P::A::"1""#, "principal roles"),
            (r#"principal is P::A in Portcullis::Role::"1""#, "roles"),
            (
                r#"(if true then principal else principal) in Portcullis::Role::"1""#,
                "principal roles",
            ),
            (r#"resource in P::B::"1""#, "roles document id"),
            (r#"resource is P::B in P::B::"1""#, "roles document id"),
            (r#"resource has "in""#, "document"),
            (r#"{"==": principal in P::A::"1"} == {"==": true}"#, "principal roles"),
            (r#"{"in": resource.a} == {"in": true}"#, "document"),
            (
                r#"{".": resource.owner} == {".": principal}"#,
                "principal document owner",
            ),
            (r#"[{"has": {"is": principal}}] == []"#, "principal"),
            (r#"{"Record": {"Value": resource}} == {}"#, "document id"),
            (
                r#"{"left": resource, "attr": principal}.left == resource"#,
                "principal document id",
            ),
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
