//! One decision: over the policies that can apply to a kind of principal, an action and a resource.

use std::sync::{Arc, LazyLock};

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint,
    Request,
};

use super::asked::Asked;
use super::document::{self, Attribute, Facts};
use super::memory::{Memory, Question};
use super::names;
use super::principal::Principal;
use super::specialise::specialised;

static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(Authorizer::new);
/// What is known where no policy asks who is in which role.
static NOBODY: LazyLock<Entities> = LazyLock::new(Entities::empty);

/// Cedar refuses to evaluate anything with less stack than 100 KiB, as it measures it. It looks at the stack of the thread, which
/// is not the one in use where a guest has asked for a document: there it gets another one.
const LEFT_BYTES: usize = 128 << 10;
const STACK_BYTES: usize = 512 << 10;

/// The policies that can apply to a kind of principal, an action and a resource, with what they ask about.
#[derive(Debug)]
pub struct Slice {
    policies: PolicySet,
    action: EntityUid,
    resource: EntityTypeName,
    /// What stands for the document where none is asked about.
    nothing: EntityUid,
    /// What the policies ask about.
    asked: Asked,
    /// The fields that a policy names, its owner aside.
    attributes: Vec<Attribute>,
    names_owner: bool,
    /// Whom the permits are for.
    permitted: Vec<PrincipalConstraint>,
    /// What was decided before.
    memory: Memory,
}

/// What was decided, and by which policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the principal may.
    pub allowed: bool,
    /// The ids of the policies that decided: the permits of what is allowed, the forbids of what is forbidden; none where
    /// nothing permits it.
    pub decided_by: Vec<String>,
    /// Why nothing could be decided; then it is not allowed.
    pub failed: Option<String>,
}

impl Slice {
    pub(super) fn new(
        policies: &[&Policy],
        action: EntityUid,
        resource: EntityTypeName,
        known: &[Attribute],
        memory: Memory,
    ) -> Result<Self, String> {
        let asked = Asked::by_all(policies);
        Ok(Self {
            attributes: (known.iter().filter(|known| asked.names(&known.name)))
                .cloned()
                .collect(),
            names_owner: asked.names(names::OWNER),
            asked,
            permitted: (policies.iter().filter(|policy| policy.effect() == Effect::Permit))
                .map(|policy| policy.principal_constraint())
                .collect(),
            policies: PolicySet::from_policies(policies.iter().map(|policy| specialised(policy)))
                .map_err(|error| error.to_string())?,
            action,
            nothing: names::uid(&resource, ""),
            resource,
            memory,
        })
    }

    /// Whether the decision may be another one for another document.
    pub fn asks_about_document(&self) -> bool {
        self.asked.document
    }

    /// Whether some policy permits this principal anything at all.
    pub fn may_permit(&self, principal: &Principal) -> bool {
        self.permitted.iter().any(|constraint| match constraint {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => true,
            PrincipalConstraint::Eq(uid) => *uid == principal.uid,
            PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => principal.is_in(uid),
        })
    }

    /// Whether the body of a document is asked about, not just whose it is.
    pub fn needs_body(&self) -> bool {
        !self.attributes.is_empty()
    }

    /// How many policies are looked at for a decision.
    pub fn policies(&self) -> usize {
        self.policies.num_of_policies()
    }

    /// The decision; without a document, where the policies ask about none.
    pub fn allows(&self, principal: &Principal, facts: Option<&Facts<'_>>) -> bool {
        let question = self.question(principal, facts);
        if let Some(question) = &question
            && let Some(allowed) = self.memory.answer(question)
        {
            return allowed;
        }
        let Ok(response) = self.response(principal, facts) else {
            return false;
        };
        // A policy that can't be evaluated may be the one that forbids.
        if response.diagnostics().errors().next().is_some() {
            return false;
        }
        let allowed = response.decision() == Decision::Allow;
        if let Some(question) = &question {
            self.memory.remember(question, allowed);
        }
        allowed
    }

    /// All that a decision depends on; none where that is too much to be remembered. It has to tell apart whatever `evaluate`
    /// tells Cedar, as far as a policy asks for it.
    fn question(&self, principal: &Principal, facts: Option<&Facts<'_>>) -> Option<Question> {
        let mut question = self.memory.question();
        if self.asked.principal {
            question.id(principal.account)?;
        }
        if self.asked.roles {
            question.texts(principal.roles())?;
        }
        question.truth(facts.is_some())?;
        let Some(facts) = facts else {
            return Some(question);
        };
        if self.asked.document_id {
            question.id(Some(facts.id))?;
        }
        if self.names_owner {
            question.truth(facts.owner.is_some())?;
        }
        if self.asked.own {
            question.truth(facts.owner.is_some() && facts.owner == principal.account)?;
        }
        if self.asked.owner {
            question.id(facts.owner)?;
        }
        for Attribute { name, .. } in &self.attributes {
            question.value(facts.body.get(name))?;
        }
        Some(question)
    }

    /// The same, with the reasons, and without what was decided before.
    pub fn verdict(&self, principal: &Principal, facts: Option<&Facts<'_>>) -> Verdict {
        let Ok(response) = self.response(principal, facts) else {
            return Verdict {
                allowed: false,
                decided_by: Vec::new(),
                failed: Some("the document holds what its schema does not allow".to_owned()),
            };
        };
        let mut decided_by: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
        decided_by.sort_unstable();
        let failed = response.diagnostics().errors().next().map(ToString::to_string);
        Verdict {
            allowed: response.decision() == Decision::Allow && failed.is_none(),
            decided_by,
            failed,
        }
    }

    /// How many decisions are remembered, of all slices.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.memory.known()
    }

    fn response(
        &self,
        principal: &Principal,
        facts: Option<&Facts<'_>>,
    ) -> Result<cedar_policy::Response, document::Unfit> {
        // Making an entity evaluates its values: the whole of it needs the stack.
        stacker::maybe_grow(LEFT_BYTES, STACK_BYTES, || self.evaluate(principal, facts))
    }

    fn evaluate(
        &self,
        principal: &Principal,
        facts: Option<&Facts<'_>>,
    ) -> Result<cedar_policy::Response, document::Unfit> {
        let resource = match facts {
            Some(facts) => names::uuid(&self.resource, facts.id),
            None => self.nothing.clone(),
        };
        let with_document;
        let known = if self.asked.roles {
            principal.entities()
        } else {
            &*NOBODY
        };
        let entities = match facts {
            Some(facts) if self.names_owner || !self.attributes.is_empty() => {
                let entity = document::entity(resource.clone(), facts, &self.attributes, self.names_owner, principal)?;
                let added = known.clone().add_entities([entity], None);
                with_document = added.map_err(|_| document::Unfit)?;
                &with_document
            }
            _ => known,
        };
        let request = Request::new(
            principal.uid.clone(),
            self.action.clone(),
            resource,
            Context::empty(),
            None,
        );
        let request = request.map_err(|_| document::Unfit)?;
        Ok(AUTHORIZER.is_authorized(&request, &self.policies, entities))
    }
}

/// Which documents a principal may act on, as the policies of a slice say, one by one.
#[derive(Debug)]
pub struct CedarScope {
    principal: Arc<Principal>,
    slice: Arc<Slice>,
}

impl CedarScope {
    /// What a slice lets a principal act on.
    pub fn new(principal: Arc<Principal>, slice: Arc<Slice>) -> Self {
        Self { principal, slice }
    }

    /// Whether a document is among them.
    pub fn covers(&self, facts: &Facts<'_>) -> bool {
        self.slice.allows(&self.principal, Some(facts))
    }

    /// Whether the body of a document is asked about, not just whose it is.
    pub fn needs_body(&self) -> bool {
        self.slice.needs_body()
    }

    /// The same, with the reasons.
    pub fn verdict(&self, facts: &Facts<'_>) -> Verdict {
        self.slice.verdict(&self.principal, Some(facts))
    }
}

impl PartialEq for CedarScope {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slice, &other.slice) && self.principal == other.principal
    }
}
