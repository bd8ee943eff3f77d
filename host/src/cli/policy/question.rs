//! A question to policy, as it is asked on the command line and in files of cases.

use std::sync::Arc;

use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::failure::Failure;
use crate::manifest::{Action, is_role_name};
use crate::policy::{Account, Caller, Facts};

/// Who an account is that is known by its roles only.
const SOME_ACCOUNT: Uuid = Uuid::max();

/// A question as it is asked.
#[derive(Args, Clone, Debug)]
pub(super) struct Asked {
    /// Who: anonymous, operator, account:ID, or role:NAME; given again, an account with further roles
    #[arg(long, value_name = "WHO")]
    principal: Vec<String>,
    /// What to do: list, read, create, update or delete
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// With what: a resource, or one document of it
    #[arg(long, value_name = "NAME[/ID]")]
    resource: Option<String>,
    /// Whose the document is: none, self, or the id of an account [default: none; self for create]
    #[arg(long, value_name = "OWNER", requires = "resource")]
    owner: Option<String>,
    /// The body of the document, as far as policies ask about it
    #[arg(long, value_name = "JSON", requires = "resource")]
    document: Option<String>,
}

/// A question that can be answered.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) caller: Caller,
    pub(super) action: Action,
    pub(super) resource: String,
    /// What is asked about; nothing for a list as a whole.
    document: Option<Document>,
}

#[derive(Clone, Debug)]
struct Document {
    id: Option<Uuid>,
    owner: Option<Uuid>,
    body: Value,
    /// Whether that is what was asked about, and not just what is assumed.
    is_told: bool,
}

impl Question {
    pub(super) fn read(asked: &Asked) -> Result<Self, Failure> {
        let document = match &asked.document {
            None => None,
            Some(text) => match serde_json::from_str(text) {
                Ok(body @ Value::Object(_)) => Some(body),
                _ => return Err(Failure::Usage("--document must be a JSON object".to_owned())),
            },
        };
        let Asked { principal, owner, .. } = asked;
        let (Some(action), Some(resource), false) = (&asked.action, &asked.resource, principal.is_empty()) else {
            let reason = "a decision needs --principal, --action and --resource".to_owned();
            return Err(Failure::Usage(reason));
        };
        Self::of(principal, action, resource, owner.as_deref(), document).map_err(Failure::Usage)
    }

    /// The question that these words ask; the error is a sentence.
    pub(super) fn of(
        principal: &[String],
        action: &str,
        resource: &str,
        owner: Option<&str>,
        body: Option<Value>,
    ) -> Result<Self, String> {
        let caller = caller(principal)?;
        let action = Action::parse(action)
            .ok_or_else(|| format!("`{action}` is no action; there are {}", Action::WORDS.join(", ")))?;
        let (resource, id) = match resource.split_once('/') {
            None => (resource, None),
            Some((resource, id)) => (resource, Some(uuid(id)?)),
        };
        // A list is asked about as a whole, and the others about a document of which nothing is known.
        let describes = id.is_some() || owner.is_some() || body.is_some() || action != Action::List;
        let owner = match owner {
            None if action == Action::Create => caller.account(),
            None | Some("none") => None,
            Some("self") => caller.account(),
            Some(id) => Some(uuid(id)?),
        };
        let is_told = body.is_some();
        let body = body.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Ok(Self {
            document: describes.then_some(Document {
                id,
                owner,
                body,
                is_told,
            }),
            resource: resource.to_owned(),
            caller,
            action,
        })
    }

    /// What is known of the document.
    pub(super) fn facts(&self) -> Option<Facts<'_>> {
        self.document.as_ref().map(|document| Facts {
            id: document.id.unwrap_or_default(),
            owner: document.owner,
            body: &document.body,
        })
    }

    /// Whether it is about a document of whose fields nothing was said.
    pub(super) fn assumes_no_fields(&self) -> bool {
        self.document.as_ref().is_some_and(|document| !document.is_told)
    }

    /// Who asks, in words.
    pub(super) fn who(&self) -> String {
        match &self.caller {
            Caller::Anonymous => "somebody who is not signed in".to_owned(),
            Caller::Operator => "the operator".to_owned(),
            Caller::Account(account) => {
                let mut who = match account.id {
                    SOME_ACCOUNT => "an account".to_owned(),
                    id => format!("the account {id}"),
                };
                if !account.roles.is_empty() {
                    who.push_str(&format!(" with the roles {}", account.roles.join(", ")));
                }
                who
            }
        }
    }

    /// With what, in words.
    pub(super) fn what(&self) -> String {
        let id = self.document.as_ref().and_then(|document| document.id);
        id.map_or_else(|| self.resource.clone(), |id| format!("{}/{id}", self.resource))
    }
}

fn caller(words: &[String]) -> Result<Caller, String> {
    let (mut id, mut roles) = (None, Vec::new());
    for word in words {
        match word.split_once(':') {
            None if word == "anonymous" && words.len() == 1 => return Ok(Caller::Anonymous),
            None if word == "operator" && words.len() == 1 => return Ok(Caller::Operator),
            Some(("account", account)) if id.is_none() => id = Some(uuid(account)?),
            Some(("role", role)) if is_role_name(role) => roles.push(role.to_owned()),
            _ => {
                return Err(format!(
                    "`{word}` can't be the principal here: write anonymous, operator, or account:ID and role:NAME together"
                ));
            }
        }
    }
    Ok(Caller::Account(Account {
        id: id.unwrap_or(SOME_ACCOUNT),
        roles: Arc::from(roles),
        limits: None,
    }))
}

fn uuid(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| format!("`{text}` is no id, which is a UUID"))
}
