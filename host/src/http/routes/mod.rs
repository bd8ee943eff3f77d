//! What is served besides resources.

pub(super) mod admin;
pub(super) mod health;
pub(super) mod import;
