//! The policies of a host, loaded: picked out by resource, action and kind of principal, so that a decision looks at few.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint, ValidationMode, Validator,
};

use super::decide::Slice;
use super::document::Attribute;
use super::memory::Memories;
use super::names::{self, document_type};
use super::principal::Kind;
use super::source::{self, Written};
use super::{schema, words};
use crate::config::PolicyFile;
use crate::manifest::{Action, Diagnostics, Resource, Source, unknown as unknown_name};

/// The most policies of all files together.
pub const MAX_POLICIES: usize = 1_000;

/// The policies of a host. Where it has none, nothing is decided by Cedar.
#[derive(Debug, Default)]
pub struct Policies {
    resources: HashMap<String, Arc<ResourcePolicies>>,
    /// The names that `@id` gives, by the ids of the policies.
    names: BTreeMap<String, String>,
}

/// The policies that can apply to one resource.
#[derive(Debug)]
pub struct ResourcePolicies {
    /// By action; none where only the access word can apply.
    actions: [Option<ByKind>; Action::ALL.len()],
    /// By action and kind of principal: what the operator forbids, whatever the words say; none where nothing is.
    forbidden: [[Option<Arc<Slice>>; Kind::ALL.len()]; Action::ALL.len()],
}

/// By kind of principal.
type ByKind = [Arc<Slice>; Kind::ALL.len()];

impl Policies {
    /// Reads and validates files against the schema that these resources make. All that is wrong is told, at its place.
    pub fn load<'r>(
        files: &[PolicyFile],
        resources: impl Iterator<Item = &'r Resource> + Clone,
    ) -> Result<Self, Diagnostics> {
        let mut sources: Vec<Source<'_>> = files.iter().map(|file| Source::new(&file.name, &file.text)).collect();
        let written = files
            .iter()
            .zip(&mut sources)
            .map(|(file, source)| source::policies(file, source));
        let written: Vec<Vec<Written>> = written.collect();
        check_number(&written, &mut sources);
        let names = names_of(&written, &mut sources);
        if written.iter().any(|written| !written.is_empty()) {
            check_types(resources.clone(), &mut sources);
            match schema::of(resources.clone()) {
                Ok(schema) => {
                    let known: Vec<Known> = resources.clone().map(Known::of).collect();
                    validate(&Validator::new(schema), &known, &written, &mut sources);
                }
                Err(reason) => complain_of_all(&mut sources, format!("the resources make no Cedar schema: {reason}")),
            }
        }
        if let Some(found) = Diagnostics::of_all(sources) {
            return Err(found);
        }
        let policies: Vec<&Policy> = written.iter().flatten().map(|written| &written.policy).collect();
        let memories = Memories::default();
        let mut by_resource = HashMap::new();
        for resource in resources {
            // Of two plugins that declare it, the first one serves it.
            if by_resource.contains_key(&resource.name) {
                continue;
            }
            let slices = ResourcePolicies::new(resource, &policies, &memories);
            let slices = slices.map_err(|reason| unusable(files, &resource.name, &reason))?;
            if slices.actions.iter().any(Option::is_some) {
                by_resource.insert(resource.name.clone(), Arc::new(slices));
            }
        }
        Ok(Self {
            resources: by_resource,
            names,
        })
    }

    /// The policies that can apply to a resource, where an operator's are among them.
    pub fn of(&self, resource: &str) -> Option<&Arc<ResourcePolicies>> {
        self.resources.get(resource)
    }

    /// What `@id` calls a policy.
    pub fn name(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }
}

impl ResourcePolicies {
    /// All that can apply to a resource: its access words, and these policies of the operator's.
    fn new(resource: &Resource, policies: &[&Policy], memories: &Memories) -> Result<Self, String> {
        let name = document_type(&resource.name);
        let (document, known) = (names::entity_type(&name), schema::attributes(resource));
        let mut actions = [const { None }; Action::ALL.len()];
        let mut forbidden = [const { [const { None }; Kind::ALL.len()] }; Action::ALL.len()];
        for action in Action::ALL {
            let uid = names::action(action);
            let applies = |policy: &&&Policy| {
                may_be(&policy.resource_constraint(), &document) && may_do(&policy.action_constraint(), &uid)
            };
            let mut own: Vec<&Policy> = policies.iter().filter(applies).copied().collect();
            if own.is_empty() {
                continue;
            }
            let target = Target {
                action: uid,
                document: &document,
                known: &known,
                memories,
            };
            for (kind, place) in Kind::ALL.into_iter().zip(&mut forbidden[action as usize]) {
                *place = forbidden_to(kind, &own, &target)?;
            }
            let words = word_policies(&name, action, resource)?;
            own.extend(&words);
            actions[action as usize] = Some(by_kind(&own, &target)?);
        }
        Ok(Self { actions, forbidden })
    }

    /// The policies for an action, where an operator's are among them.
    pub fn slice(&self, action: Action, kind: Kind) -> Option<&Arc<Slice>> {
        self.actions[action as usize]
            .as_ref()
            .map(|kinds| &kinds[kind as usize])
    }

    /// What the operator's policies forbid to a kind of principal, where they forbid something: everything else is permitted.
    pub fn forbidden(&self, action: Action, kind: Kind) -> Option<&Arc<Slice>> {
        self.forbidden[action as usize][kind as usize].as_ref()
    }

    /// Whether Cedar decides about an action.
    pub fn decides(&self, action: Action) -> bool {
        self.actions[action as usize].is_some()
    }
}

/// What the slices of an action on a resource have in common.
struct Target<'a> {
    action: EntityUid,
    document: &'a EntityTypeName,
    known: &'a [Attribute],
    memories: &'a Memories,
}

impl Target<'_> {
    fn slice(&self, policies: &[&Policy]) -> Result<Arc<Slice>, String> {
        let (action, document) = (self.action.clone(), self.document.clone());
        let slice = Slice::new(policies, action, document, self.known, self.memories.of_slice())?;
        Ok(Arc::new(slice))
    }
}

fn by_kind(policies: &[&Policy], target: &Target<'_>) -> Result<ByKind, String> {
    let slice = |kind: Kind| {
        let applies = |policy: &&&Policy| may_be_for(&policy.principal_constraint(), kind);
        let own: Vec<&Policy> = policies.iter().filter(applies).copied().collect();
        target.slice(&own)
    };
    let [anonymous, account, operator] = Kind::ALL;
    Ok([slice(anonymous)?, slice(account)?, slice(operator)?])
}

/// The forbids among policies, over a permit of everything: what a plugin is held to that answers for the rest itself.
fn forbidden_to(kind: Kind, policies: &[&Policy], target: &Target<'_>) -> Result<Option<Arc<Slice>>, String> {
    let applies =
        |policy: &&&Policy| policy.effect() == Effect::Forbid && may_be_for(&policy.principal_constraint(), kind);
    let mut forbids: Vec<&Policy> = policies.iter().filter(applies).copied().collect();
    if forbids.is_empty() {
        return Ok(None);
    }
    let everything = Policy::parse(Some(PolicyId::new("own")), "permit (principal, action, resource);");
    let everything = everything.map_err(|error| error.to_string())?;
    forbids.push(&everything);
    target.slice(&forbids).map(Some)
}

/// The access word of an action, as policies.
pub(super) fn word_policies(document_type: &str, action: Action, resource: &Resource) -> Result<Vec<Policy>, String> {
    let policies = words::policies(document_type, action, resource.access.word(action)).into_iter();
    let parse =
        |(id, text): (String, String)| Policy::parse(Some(PolicyId::new(id)), text).map_err(|error| error.to_string());
    policies.map(parse).collect()
}

fn may_be(constraint: &ResourceConstraint, document: &EntityTypeName) -> bool {
    match constraint {
        ResourceConstraint::Any => true,
        ResourceConstraint::Is(name) | ResourceConstraint::IsIn(name, _) => name == document,
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) => uid.type_name() == document,
    }
}

fn may_do(constraint: &ActionConstraint, action: &EntityUid) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == action,
        ActionConstraint::In(uids) => uids.contains(action),
    }
}

fn may_be_for(constraint: &PrincipalConstraint, kind: Kind) -> bool {
    let own: &EntityTypeName = match kind {
        Kind::Anonymous => &names::ANONYMOUS,
        Kind::Account => &names::ACCOUNT,
        Kind::Operator => &names::OPERATOR,
    };
    match constraint {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Is(name) | PrincipalConstraint::IsIn(name, _) => name == own,
        PrincipalConstraint::Eq(uid) => uid.type_name() == own,
        // Accounts have roles; everything is in itself.
        PrincipalConstraint::In(uid) => {
            uid.type_name() == own || (kind == Kind::Account && *uid.type_name() == *names::ROLE)
        }
    }
}

fn check_number(written: &[Vec<Written>], sources: &mut [Source<'_>]) {
    let mut before = 0;
    for (written, source) in written.iter().zip(sources) {
        if let Some(first_too_many) = written.get(MAX_POLICIES.saturating_sub(before))
            && before <= MAX_POLICIES
        {
            let help = format!("all files together have at most {MAX_POLICIES}");
            source.complain(first_too_many.span.clone(), "too many policies", Some(help));
        }
        before += written.len();
    }
}

/// The names that `@id` gives. Each is given once, so that an explanation names one policy.
fn names_of(written: &[Vec<Written>], sources: &mut [Source<'_>]) -> BTreeMap<String, String> {
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (written, source) in written.iter().zip(sources) {
        for one in written {
            let Some(name) = one.name.as_deref() else { continue };
            let place = one.policy.id().to_string();
            if let Some(other) = places.get(name) {
                let message = format!("`{name}` is the id of another policy, too");
                source.complain(one.span.clone(), message, Some(format!("the other one is {other}")));
            }
            places.insert(name, place.clone());
            names.insert(place, name.to_owned());
        }
    }
    names
}

/// Two resources whose documents would have the same type can't be told apart.
fn check_types<'r>(resources: impl Iterator<Item = &'r Resource>, sources: &mut [Source<'_>]) {
    let mut types: BTreeMap<String, &str> = BTreeMap::new();
    for resource in resources {
        let name = document_type(&resource.name);
        if let Some(other) = types.insert(name.clone(), &resource.name)
            && other != resource.name
        {
            let message = format!(
                "the resources `{other}` and `{}` are both `{name}` in Cedar",
                resource.name
            );
            complain_of_all(sources, message);
        }
    }
}

/// What validation has let pass, and Cedar refuses nevertheless.
fn unusable(files: &[PolicyFile], resource: &str, reason: &str) -> Diagnostics {
    let (name, text) = files.first().map_or(("", ""), |file| (&file.name, &file.text));
    let mut source = Source::new(name, text);
    source.complain(
        0..0,
        format!("the policies of `{resource}` are not usable: {reason}"),
        None,
    );
    Diagnostics::of(source)
}

/// Says what no place of a file is to blame for; once.
fn complain_of_all(sources: &mut [Source<'_>], message: String) {
    if let Some(first) = sources.first_mut() {
        first.complain(0..0, message, None);
    }
}

fn validate(validator: &Validator, known: &[Known], written: &[Vec<Written>], sources: &mut [Source<'_>]) {
    for (written, source) in written.iter().zip(sources) {
        for one in written {
            if complains_of_fields(one, known, source) {
                continue;
            }
            let Ok(alone) = PolicySet::from_policies([one.policy.clone()]) else {
                continue;
            };
            let found = validator.validate(&alone, ValidationMode::Strict);
            let in_policy = format!("for policy `{}`, ", one.policy.id());
            for error in found.validation_errors() {
                source::complain(error, one.span.clone(), &in_policy, source);
            }
            // A policy that can never apply is a mistake as well, and so are letters that look like others.
            if found.validation_passed()
                && let Some(warning) = found.validation_warnings().next()
            {
                source::complain(warning, one.span.clone(), &in_policy, source);
            }
        }
    }
}

/// The documents of a resource, with the fields that policies can name.
struct Known {
    document: EntityTypeName,
    fields: BTreeSet<String>,
}

impl Known {
    fn of(resource: &Resource) -> Self {
        let fields = schema::attributes(resource).into_iter().map(|attribute| attribute.name);
        Self {
            document: names::entity_type(&document_type(&resource.name)),
            fields: fields.chain([names::OWNER.to_owned()]).collect(),
        }
    }
}

/// Complains of a field that no document has to which the policy can apply.
fn complains_of_fields(one: &Written, known: &[Known], source: &mut Source<'_>) -> bool {
    let constraint = one.policy.resource_constraint();
    let applies: Vec<&Known> = known
        .iter()
        .filter(|known| may_be(&constraint, &known.document))
        .collect();
    if applies.is_empty() {
        return false;
    }
    let asked = source::fields_asked_for(&one.policy);
    let unknown = asked
        .iter()
        .find(|field| !applies.iter().any(|known| known.fields.contains(*field)));
    let Some(field) = unknown else { return false };
    let fields: BTreeSet<&str> = applies
        .iter()
        .flat_map(|known| &known.fields)
        .map(String::as_str)
        .collect();
    let names: Vec<&str> = fields.into_iter().collect();
    let (message, help) = unknown_name("field", field, &names);
    let at = one.policy.to_string().find(&format!("has {field}"));
    let span = match at {
        Some(at) => one.span.start + at + 4..one.span.start + at + 4 + field.len(),
        None => one.span.clone(),
    };
    source.complain(span, message, help);
    true
}
