//! What is served besides resources.

pub(super) mod accounts;
pub(super) mod admin;
pub(super) mod audit;
pub(super) mod auth;
pub(super) mod health;
pub(super) mod import;
pub(super) mod oidc;
pub(super) mod outbox;
mod page;
pub(super) mod pages;
