//! `plugin.toml` as it is written, with the place of each value, before anything but its shape is checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawManifest {
    pub(super) plugin: RawPlugin,
    #[serde(default, rename = "resource")]
    pub(super) resources: Vec<RawResource>,
    #[serde(default)]
    pub(super) wants: RawWants,
    #[serde(default)]
    pub(super) limits: RawLimits,
}

/// A table of limits by name.
pub(crate) type RawLimits = BTreeMap<Spanned<String>, Spanned<i64>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlugin {
    pub(super) name: Spanned<String>,
    pub(super) version: Spanned<String>,
    #[serde(default)]
    pub(super) instances: Option<Spanned<RawInstances>>,
}

/// `"fresh"`, or `{ reuse = 1000 }`.
pub(super) enum RawInstances {
    Word(String),
    Reuse(i64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResource {
    pub(super) name: Spanned<String>,
    pub(super) schema: Spanned<String>,
    #[serde(default)]
    pub(super) indexes: Vec<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) unique: Vec<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) access: RawAccess,
    pub(super) on_erase: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAccess {
    pub(super) list: Option<Spanned<String>>,
    pub(super) read: Option<Spanned<String>>,
    pub(super) create: Option<Spanned<String>>,
    pub(super) update: Option<Spanned<String>>,
    pub(super) delete: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWants {
    #[serde(default)]
    pub(super) collections: BTreeMap<Spanned<String>, RawWish>,
    #[serde(default)]
    pub(super) egress: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) write_only: Vec<Spanned<String>>,
}

/// `["read"]`, or `{ actions = ["read"], as = "system" }`; the grants of `portcullis.toml` are written likewise.
pub(crate) struct RawWish {
    pub(crate) actions: Vec<Spanned<String>>,
    pub(crate) standing: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for RawInstances {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;

        impl<'de> Visitor<'de> for Shape {
            type Value = RawInstances;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`\"fresh\"`, or `{ reuse = 1000 }`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RawInstances, E> {
                Ok(RawInstances::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawInstances, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Table {
                    reuse: i64,
                }
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(RawInstances::Reuse(table.reuse))
            }
        }

        deserializer.deserialize_any(Shape)
    }
}

impl<'de> Deserialize<'de> for RawWish {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;

        impl<'de> Visitor<'de> for Shape {
            type Value = RawWish;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`[\"read\"]`, or `{ actions = [\"read\"], as = \"system\" }`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<RawWish, A::Error> {
                Ok(RawWish {
                    actions: Vec::deserialize(de::value::SeqAccessDeserializer::new(sequence))?,
                    standing: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawWish, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Table {
                    actions: Vec<Spanned<String>>,
                    #[serde(rename = "as")]
                    standing: Option<Spanned<String>>,
                }
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(RawWish {
                    actions: table.actions,
                    standing: table.standing,
                })
            }
        }

        deserializer.deserialize_any(Shape)
    }
}
