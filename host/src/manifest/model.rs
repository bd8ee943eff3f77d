//! What a plugin asks for, validated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Limits;
use super::names::is_role_name;

/// A validated `plugin.toml` with the schemas that it names. Its serialised form stands alone: the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The plugin's name: a lower-case letter, then lower-case letters, digits and `-`; at most 63.
    pub name: String,
    /// Its version (Semantic Versioning 2.0).
    pub version: String,
    /// How instances are used.
    pub instances: Instances,
    /// The resources that it serves, each backed by the collection of the same name.
    pub resources: Vec<Resource>,
    /// What it wants beyond its own resources.
    pub wants: Wants,
    /// The limits that it asks for; the operator's cap them.
    pub limits: Limits,
}

/// How instances are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instances {
    /// A new one for each call.
    Fresh,
    /// One serves this many calls, one after another.
    Reuse(u32),
}

/// One resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The name in the path and of the collection: a lower-case letter, then lower-case letters, digits, `-` and `_`; at most 63.
    pub name: String,
    /// The JSON Schema 2020-12 of a body.
    #[serde(with = "shared")]
    pub schema: Arc<serde_json::Value>,
    /// Indexes for filters and sorts. An absent field counts as null.
    pub indexes: Vec<Vec<IndexField>>,
    /// Unique indexes. A document without one of the fields is not in the index.
    pub unique: Vec<Vec<IndexField>>,
    /// Who may do what.
    pub access: Access,
    /// What becomes of a document whose owner's account is erased.
    #[serde(default)]
    pub on_erase: OnErase,
}

/// What becomes of a document whose owner's account is erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnErase {
    /// It is removed.
    #[default]
    Delete,
    /// It stays, and belongs to nobody.
    Anonymise,
}

impl OnErase {
    /// The words, as they are written.
    pub const WORDS: [&'static str; 2] = ["delete", "anonymise"];

    /// The word, read.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "delete" => Some(Self::Delete),
            "anonymise" => Some(Self::Anonymise),
            _ => None,
        }
    }
}

/// One field of an index, written `name` or `-name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexField {
    /// The field, dotted for nested objects.
    pub path: String,
    /// Largest first.
    pub descending: bool,
}

impl fmt::Display for IndexField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.path)
    }
}

/// Who may do what with a resource; what is not said is for nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// `GET /api/{resource}`
    pub list: AccessWord,
    /// `GET /api/{resource}/{id}`
    pub read: AccessWord,
    /// `POST /api/{resource}`
    pub create: AccessWord,
    /// `PUT` and `PATCH`
    pub update: AccessWord,
    /// `DELETE`
    pub delete: AccessWord,
}

impl Access {
    /// The same word for every action.
    pub fn all(word: AccessWord) -> Self {
        Self {
            list: word.clone(),
            read: word.clone(),
            create: word.clone(),
            update: word.clone(),
            delete: word,
        }
    }

    /// The word for an action.
    pub fn word(&self, action: Action) -> &AccessWord {
        match action {
            Action::List => &self.list,
            Action::Read => &self.read,
            Action::Create => &self.create,
            Action::Update => &self.update,
            Action::Delete => &self.delete,
        }
    }
}

/// One access word. The operator and administrators may do everything but what is for `nobody`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AccessWord {
    /// Everybody, signed in or not.
    Anyone,
    /// Every account that is signed in.
    Member,
    /// Every account, on the documents that it owns: it owns those that it creates.
    Owner,
    /// The accounts with this role.
    Role(Arc<str>),
    /// The holder of the operator token, and administrators.
    Operator,
    /// No client at all; plugins that act as the system still may.
    Nobody,
}

/// What the word of a role begins with.
const ROLE: &str = "role:";

impl AccessWord {
    /// The words, as they are written.
    pub const WORDS: [&'static str; 6] = ["anyone", "member", "owner", "role:NAME", "operator", "nobody"];

    /// The word, read.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "anyone" => Self::Anyone,
            "member" => Self::Member,
            "owner" => Self::Owner,
            "operator" => Self::Operator,
            "nobody" => Self::Nobody,
            _ => Self::Role(word.strip_prefix(ROLE).filter(|name| is_role_name(name))?.into()),
        })
    }
}

impl fmt::Display for AccessWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "anyone",
            Self::Member => "member",
            Self::Owner => "owner",
            Self::Role(name) => return write!(f, "{ROLE}{name}"),
            Self::Operator => "operator",
            Self::Nobody => "nobody",
        })
    }
}

impl From<AccessWord> for String {
    fn from(word: AccessWord) -> Self {
        word.to_string()
    }
}

impl TryFrom<String> for AccessWord {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        Self::parse(&word).ok_or_else(|| format!("`{word}` is no access word"))
    }
}

/// What a document operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Query.
    List,
    /// Get one.
    Read,
    /// Insert.
    Create,
    /// Replace and patch.
    Update,
    /// Delete.
    Delete,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::List, Self::Read, Self::Create, Self::Update, Self::Delete];

    /// The words, as they are written.
    pub const WORDS: [&'static str; 5] = ["list", "read", "create", "update", "delete"];

    /// The word, read.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// How it is written.
    pub fn word(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a plugin wants beyond its own resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wants {
    /// Collections of other plugins.
    pub collections: BTreeMap<String, CollectionWish>,
    /// Origins with path prefixes; for integration calls.
    pub egress: Vec<String>,
    /// Names of secrets; for integration calls.
    pub secrets: Vec<String>,
    /// Collections of which it sees the fields that are `writeOnly`, its own among them.
    #[serde(default)]
    pub write_only: BTreeSet<String>,
}

/// What is wanted of one collection, or granted: `["read"]`, or `{ actions = ["read"], as = "system" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionWish {
    /// What to do; `read` includes `list`.
    pub actions: BTreeSet<Action>,
    /// Act beyond the caller's rights.
    pub as_system: bool,
}

/// `serde` leaves out `Arc` unless asked, because sharing is not kept; here it does not matter.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(value: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Value>, D::Error> {
        Value::deserialize(deserializer).map(Arc::new)
    }
}
