//! What decides about a resource: its access words, and the operator's policies where some can apply to it.

use std::sync::Arc;

use super::cedar::ResourcePolicies;
use crate::manifest::{Access, AccessWord, Action};

/// What decides about one resource.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) access: Access,
    pub(super) policies: Option<Arc<ResourcePolicies>>,
}

impl Rules {
    /// The access words of a resource, and the policies that can apply to it.
    pub fn new(access: Access, policies: Option<Arc<ResourcePolicies>>) -> Self {
        Self { access, policies }
    }

    /// The access word of an action.
    pub fn word(&self, action: Action) -> &AccessWord {
        self.access.word(action)
    }
}

impl From<Access> for Rules {
    fn from(access: Access) -> Self {
        Self::new(access, None)
    }
}
