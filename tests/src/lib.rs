//! The harness of the tests: a host as a person would start it, and a client.
//!
//! ```no_run
//! use portcullis_tests::Host;
//! use serde_json::json;
//!
//! let host = Host::init().with_plugins(["catalog"]).start();
//! let made = host.operator().post("/api/products", &json!({ "sku": "lamp", "name": "Lamp" })).expect(201);
//! assert_eq!(host.get(&made.location()).expect(200).json()["sku"], "lamp");
//! ```

mod accounts;
mod answer;
mod built;
mod client;
mod host;
mod mail;
mod mail_server;
mod plugin;
mod random;
mod setup;

pub use accounts::{ANOTHER_PASSWORD, App, CHEAP_HASHING, PASSWORD, UNLIMITED_ATTEMPTS};
pub use answer::Answer;
pub use built::{binary, repository, scratch};
pub use client::{Client, Lost, Request};
pub use host::{Exit, Host};
pub use mail::Mail;
pub use mail_server::MailServer;
pub use plugin::Plugin;
pub use random::Random;
pub use setup::Setup;
