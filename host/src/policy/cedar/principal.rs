//! The caller as Cedar sees it, made once for each request.

use std::sync::{Arc, OnceLock};

use cedar_policy::{Entities, Entity, EntityUid};
use uuid::Uuid;

use super::names;
use crate::policy::Caller;

/// What a principal can be; policies are picked out by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody signed in.
    Anonymous,
    /// An account.
    Account,
    /// The holder of the operator token.
    Operator,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Anonymous, Self::Account, Self::Operator];

    /// What a caller is.
    pub fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous => Self::Anonymous,
            Caller::Account(_) => Self::Account,
            Caller::Operator => Self::Operator,
        }
    }
}

/// A caller, ready to be decided about.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(super) kind: Kind,
    pub(super) uid: EntityUid,
    pub(super) account: Option<Uuid>,
    roles: Vec<EntityUid>,
    /// The principal with its roles, once a policy has asked for them: most name none.
    entities: OnceLock<Entities>,
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.uid == other.uid && self.roles == other.roles
    }
}

impl Principal {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is this one, or has this role.
    pub(super) fn is_in(&self, other: &EntityUid) -> bool {
        self.uid == *other || self.roles.contains(other)
    }

    /// The names of its roles.
    pub(super) fn roles(&self) -> impl ExactSizeIterator<Item = &str> {
        self.roles.iter().map(|role| role.id().unescaped())
    }

    /// The principal that a caller is.
    pub fn of(caller: &Caller) -> Self {
        let uid = match caller {
            Caller::Anonymous => names::uid(&names::ANONYMOUS, "anonymous"),
            Caller::Account(account) => names::uuid(&names::ACCOUNT, account.id),
            Caller::Operator => names::uid(&names::OPERATOR, "operator"),
        };
        let roles = match caller {
            Caller::Account(account) => account.roles.iter(),
            Caller::Anonymous | Caller::Operator => [].iter(),
        };
        Self {
            kind: Kind::of(caller),
            uid,
            account: caller.account(),
            roles: roles.map(|role| names::uid(&names::ROLE, role)).collect(),
            entities: OnceLock::new(),
        }
    }

    /// The principal with its roles, as Cedar looks at them.
    pub(super) fn entities(&self) -> &Entities {
        self.entities.get_or_init(|| {
            let entity = Entity::new_no_attrs(self.uid.clone(), self.roles.iter().cloned().collect());
            // `from_entities` looks for cycles of any length, which takes twice as long.
            let added = Entities::empty().add_entities([entity], None);
            added.expect("one entity contradicts no other")
        })
    }
}

/// The principal of a request, once somebody has needed it. Without policies of the operator's nobody does.
#[derive(Clone, Debug, Default)]
pub struct Prepared(OnceLock<Arc<Principal>>);

impl Prepared {
    /// The principal that the caller is; of one caller only.
    pub fn of(&self, caller: &Caller) -> &Arc<Principal> {
        self.0.get_or_init(|| Arc::new(Principal::of(caller)))
    }

    /// Whether somebody has needed it.
    #[cfg(test)]
    pub(crate) fn is_made(&self) -> bool {
        self.0.get().is_some()
    }
}
