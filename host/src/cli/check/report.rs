//! What `check` found, for people and for scripts.

use std::fmt;

use serde_json::{Value, json};

use crate::manifest::{Access, Action, Limits, Manifest};
use crate::policy::grants::{Denial, Power, Powers, Remedy, Standing};
use crate::sandbox::Guest;

/// What `check` found.
pub(super) struct Report {
    pub(super) manifest: Manifest,
    pub(super) component: Component,
    pub(super) powers: Powers,
    /// As the plugin gets them, capped.
    pub(super) limits: Limits,
}

/// What the component itself says.
pub(super) struct Component {
    /// SHA-256, in hexadecimal digits.
    digest: String,
    exports: Vec<&'static str>,
    imports: Vec<String>,
}

impl Component {
    pub(super) fn of(guest: &Guest) -> Self {
        let exports = guest.exports();
        let names = [
            (exports.crud, "portcullis:plugin/crud"),
            (exports.hooks, "portcullis:plugin/hooks"),
        ];
        Self {
            digest: guest.digest().iter().map(|byte| format!("{byte:02x}")).collect(),
            exports: names
                .iter()
                .filter(|(is_there, _)| *is_there)
                .map(|(_, name)| *name)
                .collect(),
            imports: guest.imports().to_vec(),
        }
    }
}

impl Report {
    /// For scripts.
    pub(super) fn json(&self) -> Value {
        let collections = self.powers.collections.iter().map(|(name, power)| {
            let power = json!({ "actions": power.actions, "as": standing(power), "write_only": power.write_only });
            (name.clone(), power)
        });
        let resources = self.manifest.resources.iter().map(|resource| {
            let access = json!(resource.access);
            json!({ "name": resource.name, "access": access })
        });
        json!({
            "plugin": self.manifest.name,
            "version": self.manifest.version,
            "digest": self.component.digest,
            "exports": self.component.exports,
            "imports": self.component.imports,
            "resources": resources.collect::<Vec<_>>(),
            "collections": collections.collect::<serde_json::Map<_, _>>(),
            "denied": self.powers.denied.iter().map(denial).collect::<Vec<_>>(),
            "limits": self.limits,
        })
    }

    /// The limits that the operator's caps have lowered.
    fn capped(&self) -> Vec<String> {
        let (mut asked, mut given) = (self.manifest.limits.clone(), self.limits.clone());
        let both = Limits::NAMES.into_iter().filter_map(|name| {
            let (asked, given) = (*asked.entry(name)?.0, *given.entry(name)?.0);
            (asked != given).then(|| format!("{name} = {given} (the manifest asks for {asked})"))
        });
        both.collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Manifest { name, version, .. } = &self.manifest;
        write!(f, "{name} {version}  sha256:{}", self.component.digest)?;
        section(f, "exports", self.component.exports.iter())?;
        section(f, "imports", self.component.imports.iter())?;
        let resources = self.manifest.resources.iter();
        section(
            f,
            "resources",
            resources.map(|resource| format!("{}: {}", resource.name, access(&resource.access))),
        )?;
        let powers = self.powers.collections.iter();
        section(
            f,
            "granted",
            powers.map(|(name, power)| format!("{name}: {}", in_words(power))),
        )?;
        section(f, "denied", self.powers.denied.iter().map(denied_in_words))?;
        section(f, "limits lowered by portcullis.toml", self.capped().iter())
    }
}

/// A heading and its lines; nothing where there are none.
fn section(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    lines: impl ExactSizeIterator<Item: fmt::Display>,
) -> fmt::Result {
    if lines.len() > 0 {
        write!(f, "\n\n{heading}")?;
    }
    for line in lines {
        write!(f, "\n  {line}")?;
    }
    Ok(())
}

fn access(access: &Access) -> String {
    let Access {
        list,
        read,
        create,
        update,
        delete,
    } = access;
    format!("list {list}, read {read}, create {create}, update {update}, delete {delete}")
}

fn in_words(power: &Power) -> String {
    let actions: Vec<&str> = power.actions.iter().copied().map(Action::word).collect();
    let suffix = match power.standing {
        Standing::Own => "its own",
        Standing::AsCaller => "with the caller's rights",
        Standing::AsSystem => "as the system",
    };
    let shown = if power.write_only {
        ", with the fields that are writeOnly"
    } else {
        ""
    };
    format!("{}, {suffix}{shown}", actions.join(", "))
}

fn standing(power: &Power) -> &'static str {
    match power.standing {
        Standing::Own => "own",
        Standing::AsCaller => "caller",
        Standing::AsSystem => "system",
    }
}

/// A denial with its remedy on lines of their own, ready to be copied.
fn denied_in_words(denial: &Denial) -> String {
    match denial {
        Denial::NotGranted { remedy, .. } | Denial::NotShown { remedy, .. } => {
            let Remedy { table, line } = remedy;
            format!(
                "{}; to allow it, write into portcullis.toml:\n\n    {table}\n    {line}",
                denial.wish()
            )
        }
        Denial::NotInRole { .. } => denial.to_string(),
    }
}

fn denial(denial: &Denial) -> Value {
    let message = denial.to_string();
    match denial {
        Denial::NotGranted { remedy, .. } | Denial::NotShown { remedy, .. } => {
            json!({ "message": message, "table": remedy.table, "line": remedy.line })
        }
        Denial::NotInRole { .. } => json!({ "message": message }),
    }
}
