//! Mail: a target of the outbox, through lettre.

mod templates;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::Path;

use async_trait::async_trait;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::response::{Category, Code, Severity};
use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::outbox::Target;
use crate::accounts::Mail;
use crate::config;
use crate::storage::outbox::{Entry, Failed};
use templates::{Rendered, Templates};

/// Hosts to which mail may go without encryption: it does not leave the machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Delivers mail.
pub struct Mailer {
    transport: Transport,
    templates: Templates,
    from: Mailbox,
    /// What message ids end with.
    domain: String,
}

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    /// A file for each mail: for development.
    Files(AsyncFileTransport<Tokio1Executor>),
}

/// Why mail can't be delivered as the configuration says.
#[derive(Debug, thiserror::Error)]
#[error("[mail] {0}")]
pub struct BadMail(String);

impl Mailer {
    /// A mailer; without a server, mails become files in `directory`. Links begin with `public_url`.
    pub fn new(config: &config::Mail, directory: &Path, public_url: &str) -> Result<Self, BadMail> {
        let from: Mailbox = config.from.parse().map_err(|error| BadMail(format!("from: {error}")))?;
        let transport = match &config.server {
            Some(server) => Transport::Smtp(connect(config, server)?),
            None => {
                fs::create_dir_all(directory).map_err(|error| BadMail(format!("{}: {error}", directory.display())))?;
                Transport::Files(AsyncFileTransport::new(directory))
            }
        };
        Ok(Self {
            transport,
            templates: Templates::load(config.templates.as_deref(), public_url).map_err(BadMail)?,
            domain: from.email.domain().to_owned(),
            from,
        })
    }

    fn message(&self, entry: &Entry, mail: &Mail) -> Result<Message, String> {
        let Rendered { subject, text, html } = self.templates.render(mail)?;
        let to = mail
            .to
            .as_str()
            .parse()
            .map_err(|error| format!("{}: {error}", mail.to))?;
        Message::builder()
            .from(self.from.clone())
            // lettre panics over what can't stand in a header.
            .to(Mailbox::new(
                mail.name.as_ref().map(|name| name.replace(char::is_control, " ")),
                to,
            ))
            // What is delivered twice after a crash has the same id.
            .message_id(Some(format!("<{}@{}>", entry.id, self.domain)))
            .subject(subject)
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Target for Mailer {
    async fn deliver(&self, entry: &Entry) -> Result<(), Failed> {
        let for_good = |reason: String| Failed { reason, is_final: true };
        let mail: Mail = serde_json::from_value(entry.payload.clone()).map_err(|error| for_good(error.to_string()))?;
        let message = self.message(entry, &mail).map_err(for_good)?;
        match &self.transport {
            Transport::Smtp(transport) => match transport.send(message).await {
                Ok(_) => Ok(()),
                Err(error) => Err(refused(transport, &error).await),
            },
            Transport::Files(transport) => transport.send(message).await.map(drop).map_err(|error| Failed {
                is_final: false,
                reason: error.to_string(),
            }),
        }
    }
}

/// What came of a mail that a server does not take. It is refused for good where the mail is, and not the host that brings it.
async fn refused(transport: &AsyncSmtpTransport<Tokio1Executor>, error: &smtp::Error) -> Failed {
    let answer = error.source().map(ToString::to_string).unwrap_or_default();
    let is_for_good = error.status().is_some_and(is_permanent) && !is_about_the_host(&answer);
    let is_final = is_for_good && takes_mail(transport).await;
    let reason = match is_for_good && !is_final {
        true => format!("{error} (and the server takes no mail at all from here)"),
        false => error.to_string(),
    };
    Failed { reason, is_final }
}

/// Whether what a server answers will be the same tomorrow. It says 53x where it does not take the host for whom it wants to be,
/// such as 535 for a password that was changed (RFC 4954, 6): that is between the two, and no mail is lost by it.
fn is_permanent(code: Code) -> bool {
    code.severity == Severity::PermanentNegativeCompletion && code.category != Category::Unspecified3
}

/// Whether a server says that it is the host, or in whose name it writes, and not the mail that it does not like (RFC 3463: 5.7.x is
/// about its policy, 5.1.7 and 5.1.8 are about the sender). Many say so only when they are told for whom a mail is.
fn is_about_the_host(answer: &str) -> bool {
    ["5.7.", "5.1.7", "5.1.8"]
        .iter()
        .any(|status| answer.starts_with(status))
}

/// Whether a server takes any mail from the host. One that turns it away at its greeting, for one, does so with the same answers as
/// one that has looked at a mail.
async fn takes_mail(transport: &AsyncSmtpTransport<Tokio1Executor>) -> bool {
    transport.test_connection().await.unwrap_or(false)
}

fn connect(config: &config::Mail, server: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>, BadMail> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&encrypted(server))
        .map_err(|error| BadMail(format!("server: {error}")))?;
    if let (Some(username), Some(file)) = (&config.username, &config.password_file) {
        let password = password(file).map_err(|error| BadMail(format!("password_file: {error}")))?;
        builder = builder.credentials(Credentials::new(username.clone(), password));
    }
    Ok(builder.build())
}

/// The URL of a server, with STARTTLS where it would not be encrypted otherwise.
fn encrypted(server: &str) -> String {
    let is_loopback = server.strip_prefix("smtp://").is_none_or(|rest| {
        let port = rest.rfind(':').filter(|colon| !rest[*colon..].contains(']'));
        LOOPBACK.contains(&&rest[..port.unwrap_or(rest.len())])
    });
    if is_loopback {
        server.to_owned()
    } else {
        format!("{server}?tls=required")
    }
}

fn password(file: &Path) -> io::Result<String> {
    let text = String::from_utf8(config::read_secret(file)?).map_err(io::Error::other)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
