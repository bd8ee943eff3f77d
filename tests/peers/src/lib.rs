//! The harness of the tests against other software: an OpenID provider, a mail server, a certificate authority, and browsers
//! with and without script.

mod authority;
mod chromium;
mod forger;
mod front;
mod mail_server;
mod provider;
mod scene;
mod tools;
mod visitor;

pub use authority::{Authority, Seen};
pub use chromium::{Authenticator, Chromium};
pub use forger::Forger;
pub use front::Front;
pub use mail_server::{MailServer, Received, Tls};
pub use provider::Provider;
pub use scene::{CALLBACK, Scene, ada};
pub use tools::certify;
pub use visitor::Visitor;
