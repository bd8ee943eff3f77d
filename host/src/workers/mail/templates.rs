//! What mails look like. Each has a text, whose first line is the subject, and an HTML part; an operator's own take the place
//! of those that are built in.

use std::path::Path;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use crate::accounts::{About, Mail};

/// What the first line of a text begins with.
const SUBJECT: &str = "Subject: ";

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(
            (concat!($name, ".txt"), include_str!(concat!("../../../templates/mail/", $name, ".txt"))),
            (concat!($name, ".html"), include_str!(concat!("../../../templates/mail/", $name, ".html"))),
        )*]
    };
}

/// The templates of the host, by the names of their files.
const BUILT_IN: [(&str, &str); 20] = built_in![
    "confirm",
    "already-registered",
    "reset",
    "password-changed",
    "new-login",
    "many-failures",
    "factor-changed",
    "identity-changed",
    "token-made",
    "code"
];

pub(super) struct Templates {
    environment: Environment<'static>,
    public_url: String,
}

/// A mail as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

impl Templates {
    /// The templates, those in `folder` first. Each is tried, so that a mistake shows at the start and not in a mail.
    pub(super) fn load(folder: Option<&Path>, public_url: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        for (name, text) in BUILT_IN {
            let own = folder.map(|folder| folder.join(name)).filter(|path| path.exists());
            let text = match own {
                Some(path) => std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?,
                None => text.to_owned(),
            };
            environment
                .add_template_owned(name, text)
                .map_err(|error| format!("{error:#}"))?;
        }
        let templates = Self {
            environment,
            public_url: public_url.to_owned(),
        };
        for about in [
            About::Confirm,
            About::AlreadyRegistered,
            About::Reset,
            About::PasswordChanged,
            About::NewLogin,
            About::ManyFailures,
            About::FactorChanged,
            About::TokenMade,
            About::IdentityChanged,
            About::Code,
        ] {
            templates.render(&example(about))?;
        }
        Ok(templates)
    }

    pub(super) fn render(&self, mail: &Mail) -> Result<Rendered, String> {
        let name = mail.about.as_str();
        let (link, client) = (mail.link.as_ref(), mail.client.as_ref());
        let values = context! {
            name => &mail.name,
            email => mail.to.as_str(),
            host => self.public_url.split("://").nth(1).unwrap_or_default(),
            link => link.map(|link| format!("{}{}", self.public_url, link.path)),
            time => link.map(|link| duration(link.minutes)),
            code => mail.code.as_deref(),
            address => client.and_then(|client| client.address).map(|address| address.to_string()),
            agent => client.and_then(|client| client.agent.as_deref()),
        };
        let part = |extension: &str| {
            let file = format!("{name}.{extension}");
            let template = self.environment.get_template(&file);
            let rendered = template.and_then(|template| template.render(&values));
            rendered.map_err(|error| format!("{file}: {error:#}"))
        };
        let text = part("txt")?;
        let (first, text) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first.trim_end().strip_prefix(SUBJECT);
        Ok(Rendered {
            subject: subject
                .ok_or_else(|| format!("{name}.txt does not begin with `{SUBJECT}`"))?
                .to_owned(),
            text: text.trim_start().to_owned(),
            html: part("html")?,
        })
    }
}

fn duration(minutes: u64) -> String {
    match minutes {
        1 => "a minute".to_owned(),
        60 => "an hour".to_owned(),
        _ if minutes.is_multiple_of(48 * 60) || minutes.is_multiple_of(7 * 24 * 60) => {
            format!("{} days", minutes / 60 / 24)
        }
        _ if minutes.is_multiple_of(60) => format!("{} hours", minutes / 60),
        _ => format!("{minutes} minutes"),
    }
}

fn example(about: About) -> Mail {
    use crate::accounts::{Client, Link};

    Mail {
        to: "ada@example.org"
            .parse()
            .unwrap_or_else(|_| unreachable!("this is an address")),
        name: Some("Ada".to_owned()),
        about,
        link: Some(Link {
            path: "/account".to_owned(),
            minutes: 30,
        }),
        code: Some("12345678".to_owned()),
        client: Some(Client::default()),
    }
}
