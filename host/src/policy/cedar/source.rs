//! One `.cedar` file: its policies with their places, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::FromStr;

use cedar_policy::{Policy, PolicyId, PolicySet};
use serde_json::Value;
use uuid::Uuid;

use super::names::NAMESPACE;
use crate::config::PolicyFile;
use crate::manifest::Source;

/// A policy of the operator's.
pub(super) struct Written {
    /// Its id is its place: `policies/shop.cedar:12`.
    pub(super) policy: Policy,
    /// Where it is in its file.
    pub(super) span: Range<usize>,
    /// What `@id` calls it.
    pub(super) name: Option<String>,
}

/// The policies of a file, in their order.
pub(super) fn policies(file: &PolicyFile, source: &mut Source<'_>) -> Vec<Written> {
    let parsed = match PolicySet::from_str(&file.text) {
        Ok(parsed) => parsed,
        Err(errors) => {
            for error in errors.iter() {
                complain(error, 0..0, "", source);
            }
            return Vec::new();
        }
    };
    if parsed.templates().next().is_some() {
        let at = file.text.find('?').unwrap_or(0);
        let help = "write the principal or the resource itself".to_owned();
        source.complain(at..at + 1, "templates are not used here", Some(help));
    }
    let mut written = Vec::new();
    let mut behind = 0;
    for policy in in_order(&parsed) {
        // The text of a policy is kept as it was written.
        let text = policy.to_string();
        let start = file.text[behind..].find(&text).map_or(behind, |at| behind + at);
        let span = start..start + text.len().min(file.text.len() - start);
        behind = span.end;
        let line = file.text[..start].matches('\n').count() + 1;
        check_membership(policy, &span, source);
        check_accounts(policy, &span, source);
        check_attributes(policy, &span, source);
        written.push(Written {
            policy: policy.new_id(PolicyId::new(format!("{}:{line}", file.name))),
            name: policy.annotation("id").map(str::to_owned),
            span,
        });
    }
    // Two on one line have one place.
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for one in &mut written {
        let place = one.policy.id().to_string();
        let times = seen.entry(place.clone()).or_default();
        *times += 1;
        if *times > 1 {
            one.policy = one.policy.new_id(PolicyId::new(format!("{place}:{times}")));
        }
    }
    written
}

/// The policies as they come in the file: Cedar numbers them.
fn in_order(parsed: &PolicySet) -> Vec<&Policy> {
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    let number = |policy: &&Policy| {
        let id = policy.id().to_string();
        id.trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX)
    };
    policies.sort_by_key(number);
    policies
}

/// The roles of a principal are known, those of a document's owner are not: what asks for them would never hold.
fn check_membership(policy: &Policy, span: &Range<usize>, source: &mut Source<'_>) {
    let form = policy.to_json().unwrap_or_default();
    if asks_for_others_groups(form.get("conditions").unwrap_or(&Value::Null)) {
        let help = format!("write `principal in {NAMESPACE}::Role::\"NAME\"`");
        source.complain(span.clone(), "only the roles of the principal are known", Some(help));
    }
}

/// An account is named by its id as it is written everywhere. What differs, if only in its capitals, is no account: a policy
/// that forbids it something would forbid nothing.
fn check_accounts(policy: &Policy, span: &Range<usize>, source: &mut Source<'_>) {
    let form = policy.to_json().unwrap_or_default();
    if let Some(id) = no_account(&form) {
        let message = format!("`{id}` is the id of no account");
        let help = "write it as `portcullis account list` shows it, in small letters".to_owned();
        // The text of a policy is kept as it was written.
        let found = policy.to_string().find(id);
        let at = found.map_or(span.clone(), |at| span.start + at..span.start + at + id.len());
        source.complain(at, message, Some(help));
    }
}

/// Only what is asked about is known: of a document that is named, nothing is, so what a policy asks of one never holds.
fn check_attributes(policy: &Policy, span: &Range<usize>, source: &mut Source<'_>) {
    let form = policy.to_json().unwrap_or_default();
    if asks_of_others(form.get("conditions").unwrap_or(&Value::Null)) {
        let help =
            "ask for attributes of `resource`, `principal` or `context`, and compare with `resource == ...`".to_owned();
        source.complain(span.clone(), "nothing is known of an entity that is named", Some(help));
    }
}

fn asks_of_others(form: &Value) -> bool {
    match form {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let left = value.get("left").filter(|_| name == "." || name == "has");
            left.is_some_and(|left| left.get("Var").is_none() && left.get(".").is_none()) || asks_of_others(value)
        }),
        Value::Array(elements) => elements.iter().any(asks_of_others),
        _ => false,
    }
}

fn no_account(form: &Value) -> Option<&str> {
    match form {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str);
            let of_account = text("type").and_then(|name| name.strip_prefix(NAMESPACE)) == Some("::Account");
            let id = text("id").filter(|_| of_account);
            let is_one = |id: &&str| Uuid::try_parse(id).is_ok_and(|uuid| uuid.to_string() == *id);
            id.filter(|id| !is_one(id))
                .or_else(|| members.values().find_map(no_account))
        }
        Value::Array(elements) => elements.iter().find_map(no_account),
        _ => None,
    }
}

fn asks_for_others_groups(form: &Value) -> bool {
    match form {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let is_membership = name == "in" || (name == "is" && value.get("in").is_some());
            let of = value
                .get("left")
                .and_then(|left| left.get("Var"))
                .and_then(Value::as_str);
            (is_membership && value.get("left").is_some() && !matches!(of, Some("principal" | "action")))
                || asks_for_others_groups(value)
        }),
        Value::Array(elements) => elements.iter().any(asks_for_others_groups),
        _ => false,
    }
}

/// The fields of a document that a policy asks for with `has`: where there is no such field, that is never true, and Cedar has
/// nothing against it.
pub(super) fn fields_asked_for(policy: &Policy) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let form = policy.to_json().unwrap_or_default();
    collect_fields(form.get("conditions").unwrap_or(&Value::Null), &mut fields);
    fields
}

fn collect_fields(form: &Value, fields: &mut BTreeSet<String>) {
    match form {
        Value::Object(members) => {
            if let Some(has) = members.get("has")
                && has.pointer("/left/Var").and_then(Value::as_str) == Some("resource")
            {
                let first = has.pointer("/attr/0").or_else(|| has.get("attr"));
                fields.extend(first.and_then(Value::as_str).map(str::to_owned));
            }
            members.values().for_each(|value| collect_fields(value, fields));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect_fields(element, fields)),
        _ => {}
    }
}

/// Adds a complaint of Cedar's, at the place that it names.
pub(super) fn complain(
    error: &dyn miette::Diagnostic,
    otherwise: Range<usize>,
    in_policy: &str,
    source: &mut Source<'_>,
) {
    let label = error.labels().and_then(|mut labels| labels.next());
    // Which policy it is shows by its place.
    let help = error.help().map(|help| help.to_string());
    let help = help.map(|help| help.strip_prefix(in_policy).unwrap_or(&help).to_owned());
    let message = error.to_string();
    let message = message.strip_prefix(in_policy).unwrap_or(&message).to_owned();
    let (span, label) = match label {
        Some(label) => (
            label.offset()..label.offset() + label.len(),
            label.label().map(str::to_owned),
        ),
        None => (otherwise, None),
    };
    // What the label says stands below the line in Cedar's own form; here it belongs to the sentence.
    let message = match label {
        Some(label) if !message.contains(&label) => format!("{message}: {label}"),
        _ => message,
    };
    source.complain(span, message, help);
}
