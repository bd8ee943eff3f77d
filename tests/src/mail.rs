//! The mails that a host has written into its data directory.

use std::fs;
use std::path::Path;

use mailparse::{MailHeaderMap as _, parse_mail};

use crate::Host;

/// A mail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mail {
    /// `Message-ID`: ids of the host sort by time.
    id: String,
    /// Whom it goes to.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl Mail {
    fn read(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let mail = parse_mail(&bytes).ok()?;
        let header = |name: &str| mail.headers.get_first_value(name);
        let [text, html] = &mail.subparts[..] else { return None };
        Some(Self {
            id: header("Message-ID")?,
            to: header("To")?,
            subject: header("Subject")?,
            text: text.get_body().ok()?,
            html: html.get_body().ok()?,
        })
    }

    /// The link in it. Fails the test unless both parts have it: people are shown only one of them.
    #[track_caller]
    pub fn link(&self) -> &str {
        let found = self.text.split_whitespace().find(|word| word.contains("?token="));
        let link = found.unwrap_or_else(|| panic!("no link is in the text of {self:?}"));
        let html = self.html.replace("&#x2f;", "/");
        assert!(
            html.contains(&format!("href=\"{link}\"")),
            "the link is not in the HTML of {self:?}"
        );
        link
    }

    /// The token of the link in it.
    #[track_caller]
    pub fn token(&self) -> String {
        let (_, token) = self.link().split_once("?token=").expect("a link has a token");
        token.to_owned()
    }
}

impl Host {
    /// All mails to an address, in the order in which they were caused.
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        let folder = fs::read_dir(self.setup().data().join("mail"));
        let files = folder.into_iter().flatten().flatten();
        let mut mails: Vec<Mail> = files
            .filter_map(|file| Mail::read(&file.path()))
            .filter(|mail| mail.to.split(['<', '>', ' ', ',']).any(|part| part == address))
            .collect();
        mails.sort();
        mails
    }

    /// The last of at least `count` mails to an address; waits for it.
    #[track_caller]
    pub fn mail_to(&self, address: &str, count: usize) -> Mail {
        let mut mails = Vec::new();
        self.wait_until(&format!("mail {count} to {address}"), || {
            mails = self.mails_to(address);
            mails.len() >= count
        });
        mails.pop().unwrap_or_else(|| panic!("{address} has no mail"))
    }
}
