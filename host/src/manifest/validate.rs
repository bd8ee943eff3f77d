//! From what is written to what is meant: every rule that a manifest must keep, with a complaint for each that it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::raw::{RawAccess, RawInstances, RawLimits, RawManifest, RawResource, RawWants};
use super::{
    Access, AccessWord, Annotations, IndexField, Instances, Limits, Manifest, OnErase, RESERVED_RESOURCES, Resource,
    Source, Wants, files, indexes, is_plugin_name, is_resource_name, schema, unknown, wish,
};

/// Resources of one plugin.
const MAX_RESOURCES: usize = 64;
/// Collections, origins or secrets that one plugin wants.
const MAX_WANTS: usize = 64;
/// Calls that one instance may serve.
const MAX_REUSE: u32 = 1_000_000;
const MAX_URL_BYTES: usize = 2_048;

type SchemaText<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The manifest that `raw` means; meaningless where `source` has been told of a complaint.
pub(super) fn manifest(raw: RawManifest, source: &mut Source<'_>, schema_text: SchemaText<'_>) -> Manifest {
    let name = raw.plugin.name;
    if !is_plugin_name(name.get_ref()) {
        let help = "start with a lower-case letter, go on with lower-case letters, digits and `-`; at most 63";
        source.complain(
            name.span(),
            format!("`{}` is not a plugin's name", name.get_ref()),
            Some(help.into()),
        );
    }
    let version = raw.plugin.version;
    if let Err(error) = semver::Version::parse(version.get_ref()) {
        let help = "write a Semantic Version, for instance `\"0.1.0\"`".to_owned();
        source.complain(
            version.span(),
            format!("`{}` is not a version: {error}", version.get_ref()),
            Some(help),
        );
    }
    let resources = resources(raw.resources, source, schema_text);
    Manifest {
        name: name.into_inner(),
        version: version.into_inner(),
        instances: raw
            .plugin
            .instances
            .map_or(Instances::Fresh, |given| instances(given, source)),
        wants: wants(raw.wants, &resources, source),
        limits: limits_within_bounds(raw.limits, Limits::default(), source),
        resources,
    }
}

fn instances(given: Spanned<RawInstances>, source: &mut Source<'_>) -> Instances {
    let span = given.span();
    match given.into_inner() {
        RawInstances::Word(word) if word == "fresh" => Instances::Fresh,
        RawInstances::Word(word) => {
            let help = "write `\"fresh\"`, or `{ reuse = 1000 }` for a plugin that you trust".to_owned();
            source.complain(span, format!("unknown kind of instances `{word}`"), Some(help));
            Instances::Fresh
        }
        RawInstances::Reuse(calls) => match u32::try_from(calls) {
            Ok(calls @ 1..=MAX_REUSE) => Instances::Reuse(calls),
            _ => {
                let message = format!("an instance can't serve {calls} calls");
                source.complain(span, message, Some(format!("write a number from 1 to {MAX_REUSE}")));
                Instances::Fresh
            }
        },
    }
}

/// The limits in `given` over `defaults`; shared with the caps in the configuration.
pub(crate) fn limits_within_bounds(given: RawLimits, defaults: Limits, source: &mut Source<'_>) -> Limits {
    let mut limits = defaults;
    for (name, value) in given {
        let Some((limit, bounds)) = limits.entry(name.get_ref()) else {
            let (message, help) = unknown("limit", name.get_ref(), &Limits::NAMES);
            source.complain(name.span(), message, help);
            continue;
        };
        match u32::try_from(*value.get_ref()) {
            Ok(number) if bounds.contains(&number) => *limit = number,
            _ => source.complain(
                value.span(),
                format!("`{}` can't be {}", name.get_ref(), value.get_ref()),
                Some(format!("write a number from {} to {}", bounds.start(), bounds.end())),
            ),
        }
    }
    limits
}

fn resources(given: Vec<RawResource>, source: &mut Source<'_>, schema_text: SchemaText<'_>) -> Vec<Resource> {
    if let Some(first_too_many) = given.get(MAX_RESOURCES) {
        let help = format!("a plugin has at most {MAX_RESOURCES}; split it");
        source.complain(first_too_many.name.span(), "too many resources", Some(help));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    given
        .into_iter()
        .map(|raw| {
            resource_name(&raw.name, source);
            if !names.insert(raw.name.get_ref().clone()) {
                let help = Some("give one of them another name".to_owned());
                source.complain(
                    raw.name.span(),
                    format!("two resources are called `{}`", raw.name.get_ref()),
                    help,
                );
            }
            resource(raw, source, schema_text)
        })
        .collect()
}

fn resource_name(name: &Spanned<String>, source: &mut Source<'_>) {
    if !is_resource_name(name.get_ref()) {
        let help = "start with a lower-case letter, go on with lower-case letters, digits, `-` and `_`; at most 63";
        source.complain(
            name.span(),
            format!("`{}` is not a resource's name", name.get_ref()),
            Some(help.into()),
        );
    }
    if RESERVED_RESOURCES.contains(&name.get_ref().as_str()) {
        let message = format!("`{}` is a path of the API itself", name.get_ref());
        source.complain(name.span(), message, Some("give the resource another name".to_owned()));
    }
}

fn resource(raw: RawResource, source: &mut Source<'_>, schema_text: SchemaText<'_>) -> Resource {
    let schema = schema_of(&raw.schema, source, schema_text);
    // Without its schema nothing can be said about the fields of an index.
    let (mut indexes, unique) = match &schema {
        Some(schema) => indexes::of(raw.indexes, raw.unique, schema, source),
        None => (Vec::new(), Vec::new()),
    };
    if let Some(schema) = &schema {
        refuse_unique_secrets(&unique, schema, raw.name.span(), source);
    }
    let access = access(raw.access, source);
    if access.list == AccessWord::Owner {
        indexes::add_owner(&mut indexes, unique.len(), raw.name.span(), source);
    }
    let on_erase = on_erase(raw.on_erase, source);
    Resource {
        name: raw.name.into_inner(),
        schema: Arc::new(schema.unwrap_or_default()),
        indexes,
        unique,
        access,
        on_erase,
    }
}

fn on_erase(given: Option<Spanned<String>>, source: &mut Source<'_>) -> OnErase {
    let Some(given) = given else { return OnErase::default() };
    OnErase::parse(given.get_ref()).unwrap_or_else(|| {
        let (message, help) = unknown("word for `on_erase`", given.get_ref(), &OnErase::WORDS);
        source.complain(given.span(), message, help);
        OnErase::default()
    })
}

/// A unique index over what nobody sees would tell everybody whether a value is taken.
fn refuse_unique_secrets(
    unique: &[Vec<IndexField>],
    schema: &serde_json::Value,
    resource: Range<usize>,
    source: &mut Source<'_>,
) {
    let hidden = Annotations::of(schema).write_only;
    let is_hidden = |field: &&IndexField| {
        let names: Vec<&str> = field.path.split('.').collect();
        hidden.iter().any(|path| names.iter().take(path.len()).eq(path.iter()))
    };
    if let Some(field) = unique.iter().flatten().find(is_hidden) {
        let message = format!(
            "a unique index over `{}`, which is `writeOnly`, tells who has it",
            field.path
        );
        source.complain(resource, message, Some("leave the index out".to_owned()));
    }
}

fn schema_of(
    path: &Spanned<String>,
    source: &mut Source<'_>,
    schema_text: SchemaText<'_>,
) -> Option<serde_json::Value> {
    if !files::stays_inside(path.get_ref()) {
        let message = format!("`{}` is not inside the plugin's folder", path.get_ref());
        let help = "write a path relative to plugin.toml, without `..`, for instance `\"schemas/product.json\"`";
        source.complain(path.span(), message, Some(help.to_owned()));
        return None;
    }
    let read = schema_text(path.get_ref()).and_then(|text| {
        let value =
            serde_json::from_str(&text).map_err(|error| format!("`{}` is not JSON: {error}", path.get_ref()))?;
        schema::check(&value).map_err(|reason| format!("`{}` is no schema of a body: {reason}", path.get_ref()))?;
        Ok(value)
    });
    match read {
        Ok(schema) => Some(schema),
        Err(reason) => {
            source.complain(path.span(), reason, None);
            None
        }
    }
}

fn access(raw: RawAccess, source: &mut Source<'_>) -> Access {
    let mut word = |given: Option<Spanned<String>>| {
        let Some(given) = given else {
            return AccessWord::Nobody;
        };
        AccessWord::parse(given.get_ref()).unwrap_or_else(|| {
            let (message, help) = match given.get_ref().strip_prefix("role:") {
                Some(name) => (
                    format!("`{name}` is no name of a role"),
                    Some("a role's name has lower-case letters, digits, `-` and `_`, such as `role:editor`".to_owned()),
                ),
                None => unknown("access word", given.get_ref(), &AccessWord::WORDS),
            };
            source.complain(given.span(), message, help);
            AccessWord::Nobody
        })
    };
    Access {
        list: word(raw.list),
        read: word(raw.read),
        create: word(raw.create),
        update: word(raw.update),
        delete: word(raw.delete),
    }
}

fn wants(raw: RawWants, own: &[Resource], source: &mut Source<'_>) -> Wants {
    let collections_at = raw.collections.keys().nth(MAX_WANTS).map(Spanned::span);
    let lists = [&raw.egress, &raw.secrets, &raw.write_only].map(|list| span_past(list));
    for at in lists.into_iter().chain([collections_at]).flatten() {
        source.complain(at, "too many wishes", Some(format!("a list holds at most {MAX_WANTS}")));
    }
    let mut collections = BTreeMap::new();
    for (name, given) in raw.collections {
        resource_name(&name, source);
        if own.iter().any(|resource| resource.name == *name.get_ref()) {
            let message = format!("`{}` is the plugin's own", name.get_ref());
            source.complain(
                name.span(),
                message,
                Some("remove it; nothing needs to be granted".to_owned()),
            );
        }
        let wish = wish(given, name.span(), source);
        collections.insert(name.into_inner(), wish);
    }
    let known = |name: &str| collections.contains_key(name) || own.iter().any(|resource| resource.name == name);
    let write_only = distinct(raw.write_only, source, |name| {
        let help = "name one of the plugin's resources, or a collection under `[wants]`";
        (!known(name)).then(|| (format!("`{name}` is no collection that it uses"), help.to_owned()))
    });
    Wants {
        write_only: write_only.into_iter().collect(),
        collections,
        egress: distinct(raw.egress, source, |origin| {
            let help = "write `https://`, a host and a path that ends with `/`, for instance `\"https://api.example.com/v1/\"`";
            (!is_origin(origin)).then(|| (format!("`{origin}` is not a place to call"), help.to_owned()))
        }),
        secrets: distinct(raw.secrets, source, |name| {
            let help = "start with a lower-case letter, go on with lower-case letters, digits and `-`; at most 63";
            (!is_plugin_name(name)).then(|| (format!("`{name}` is not a secret's name"), help.to_owned()))
        }),
    }
}

fn span_past(list: &[Spanned<String>]) -> Option<Range<usize>> {
    list.get(MAX_WANTS).map(Spanned::span)
}

/// The texts of a list, with complaints about those that are wrong or there twice.
fn distinct(
    list: Vec<Spanned<String>>,
    source: &mut Source<'_>,
    wrong: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for entry in &list {
        if let Some((message, help)) = wrong(entry.get_ref()) {
            source.complain(entry.span(), message, Some(help));
        } else if !seen.insert(entry.get_ref()) {
            let message = format!("`{}` is here twice", entry.get_ref());
            source.complain(entry.span(), message, Some("remove one".to_owned()));
        }
    }
    list.into_iter().map(Spanned::into_inner).collect()
}

/// Whether this is an origin with a path prefix. The prefix ends with `/`, so that `/v1` does not cover `/v10`.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<hyper::Uri>() else {
        return false;
    };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    text.len() <= MAX_URL_BYTES
        && uri.scheme_str() == Some("https")
        && !authority.is_empty()
        && !authority.contains('@')
        && uri.query().is_none()
        && !text.contains('#')
        && text.ends_with('/')
        && !uri.path().split('/').any(|segment| matches!(segment, "." | ".."))
}
