//! What the admin API can have done.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::capabilities::documents::stored;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::http::{AdminActions, AdminError, Certificates, Chunks};
use crate::policy::grants::Denial;
use crate::storage::audit::{self, Act, Actor};
use crate::storage::clock::Clock;
use crate::storage::engine::{Key, MAX_SCAN_ROWS, PAGE_BYTES, Scan};
use crate::storage::keyspace;
use crate::storage::transaction::Ended;

use super::files::hex;
use super::seed::Refused;
use super::{Reload, maintenance, settings};

/// What the admin API can have done.
pub(super) struct Admin {
    dispatch: Arc<Dispatch>,
    /// What could not run when the host started.
    refused: Vec<Refused>,
    config: ArcSwap<Config>,
    reload: Reload,
    certificates: Option<Arc<Certificates>>,
    clock: Arc<dyn Clock>,
    /// One reload at a time: each puts back what was in force before where it fails.
    reloading: Mutex<()>,
}

impl Admin {
    pub(super) fn new(
        dispatch: Arc<Dispatch>,
        refused: Vec<Refused>,
        config: Arc<Config>,
        reload: Reload,
        certificates: Option<Arc<Certificates>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dispatch,
            refused,
            config: ArcSwap::new(config),
            reload,
            certificates,
            clock,
            reloading: Mutex::default(),
        }
    }
}

impl Admin {
    /// Writes into the audit log what each plugin may touch at the start, what it is denied, and the settings that security rests
    /// on, where that is not as it was.
    pub(super) async fn audit_start(&self) -> Result<(), Ended> {
        self.audit_policy(&self.config.load(), Actor::Host).await
    }

    /// Reloads for an operator who has sent a signal: it is in the audit log as where the admin API is asked.
    pub(super) async fn reload_by_signal(&self) -> Result<Value, AdminError> {
        let act = self.act("plugin.reload", Actor::Operator, Value::Null);
        let audited = audit::record(self.dispatch.engine(), &act).await;
        audited.map_err(unwritten)?;
        self.reload(act.actor).await
    }

    /// Writes into the audit log what each plugin may touch under a configuration that is in force, and which settings it has,
    /// where that is not as it was.
    async fn audit_policy(&self, config: &Config, actor: Actor) -> Result<(), Ended> {
        let plugins = self.dispatch.plugins().into_iter().map(|plugin| {
            let manifest = plugin.manifest();
            let grant = config.grants.get(&manifest.name);
            let access = manifest
                .resources
                .iter()
                .map(|resource| (&resource.name, &resource.access));
            let denied: Vec<String> = plugin.denied().iter().map(Denial::wish).collect();
            json!({
                "plugin": manifest.name,
                "version": manifest.version,
                "digest": hex(plugin.guest().digest()),
                "access": access.collect::<BTreeMap<_, _>>(),
                "wanted": manifest.wants.collections,
                "granted": grant.map(|grant| &grant.collections),
                // Fields that are hidden from everybody else.
                "wanted_write_only": manifest.wants.write_only,
                "granted_write_only": grant.map(|grant| &grant.write_only),
                "denied": denied,
            })
        });
        let policies = config.policy.files.iter().map(|file| {
            let digest = Sha256::digest(&file.text);
            json!({ "file": file.name, "sha256": hex(&digest) })
        });
        let detail = json!({ "plugins": plugins.collect::<Vec<_>>(), "policies": policies.collect::<Vec<_>>() });
        let act = self.act("policy.change", actor, detail);
        let told = audit::record_change(self.dispatch.engine(), &act, &settings::of(config)).await;
        told.map(|_| ())
    }

    fn act(&self, act: &str, actor: Actor, detail: Value) -> Act {
        Act {
            at_ms: self.clock.now_ms(),
            actor,
            act: act.to_owned(),
            subject: None,
            detail,
            personal: Vec::new(),
        }
    }

    /// Puts a configuration in force. One that can't be written down is taken back: nothing is in force for longer than it
    /// takes to see that without the audit log telling of it.
    async fn put_in_force(&self, config: Arc<Config>, actor: Actor) -> Result<(), AdminError> {
        let before = self.config.load_full();
        let reconfigured = self.dispatch.reconfigure(Arc::clone(&config)).await;
        reconfigured.map_err(|complaints| AdminError::Refused(complaints.to_string()))?;
        let Err(ended) = self.audit_policy(&config, actor).await else {
            self.config.store(config);
            return Ok(());
        };
        if let Err(complaints) = self.dispatch.reconfigure(before).await {
            // Those of before were sound; a plugin that was installed meanwhile may have made them something else.
            tracing::error!(target: "config", %complaints, "a configuration that is not in the audit log stays in force");
        }
        Err(unwritten(ended))
    }
}

/// Why what can't be written down is not done.
fn unwritten(ended: Ended) -> AdminError {
    AdminError::Failed(format!("the audit log can't be written: {ended}"))
}

#[async_trait]
impl AdminActions for Admin {
    fn ready(&self) -> Result<(), String> {
        match self.dispatch.engine().health().read_only {
            None => Ok(()),
            Some(reason) => Err(format!("the store is read-only: {reason}")),
        }
    }

    async fn plugins(&self) -> Value {
        let plugins = self.dispatch.plugins().into_iter().map(|plugin| {
            let manifest = plugin.manifest();
            let resources: Vec<&str> = manifest
                .resources
                .iter()
                .map(|resource| resource.name.as_str())
                .collect();
            let denied: Vec<String> = plugin.denied().iter().map(ToString::to_string).collect();
            json!({
                "name": manifest.name,
                "version": manifest.version,
                "digest": format!("sha256:{}", hex(plugin.guest().digest())),
                "resources": resources,
                "imports": plugin.guest().imports(),
                "denied": denied,
            })
        });
        Value::Array(
            plugins
                .chain(self.refused.iter().map(|refused| json!(refused)))
                .collect(),
        )
    }

    async fn reload(&self, actor: Actor) -> Result<Value, AdminError> {
        let _reloading = self.reloading.lock().await;
        let new = (self.reload)().map_err(AdminError::Refused)?;
        // Before anything is changed: a certificate that is no good refuses the reload like another mistake.
        if let Some(certificates) = self.certificates.clone() {
            let reloaded = tokio::task::spawn_blocking(move || certificates.reload()).await;
            let reloaded = reloaded.map_err(|error| AdminError::Failed(error.to_string()))?;
            reloaded.map_err(|error| AdminError::Refused(error.to_string()))?;
        }
        let (config, ignored) = self.config.load().reloaded(new);
        let config = Arc::new(config);
        self.put_in_force(Arc::clone(&config), actor).await?;
        let unknown = without_plugin(&self.dispatch, &config);
        Ok(json!({"ignored": ignored, "unknown_plugins": unknown}))
    }

    async fn verify(&self) -> Result<Value, AdminError> {
        let found = maintenance::check(self.dispatch.catalogue(), self.clock.now_ms()).await;
        found.map_err(|error| AdminError::Failed(error.to_string()))
    }

    async fn backup(&self) -> Result<Chunks, AdminError> {
        Ok(maintenance::backup(self.dispatch.engine(), self.clock.now_ms()))
    }

    async fn export(&self, resource: &str) -> Result<Chunks, AdminError> {
        if self.dispatch.catalogue().current().collection(resource).is_none() {
            return Err(AdminError::NotFound);
        }
        let engine = Arc::clone(self.dispatch.engine());
        let scan = Scan {
            max_bytes: PAGE_BYTES,
            ..Scan::first(keyspace::documents(resource), MAX_SCAN_ROWS)
        };
        Ok(Box::pin(stream::try_unfold(
            (engine, scan),
            |(engine, mut scan)| async move {
                let rows = engine.scan(&scan).await.map_err(std::io::Error::other)?.data;
                let Some((last, _)) = rows.last() else { return Ok(None) };
                scan.after = Some(last.clone());
                let lines = lines(rows.iter().map(|(key, row)| (key, &row.value)))?;
                Ok(Some((lines, (engine, scan))))
            },
        )))
    }
}

/// The plugins that have grants and are not installed: misspelt, most likely. They are named in the log, too.
pub(super) fn without_plugin(dispatch: &Dispatch, config: &Config) -> Vec<String> {
    let plugins = dispatch.plugins();
    let is_known = |name: &str| plugins.iter().any(|plugin| plugin.manifest().name == name);
    let unknown: Vec<String> = config.grants.keys().filter(|name| !is_known(name)).cloned().collect();
    for name in &unknown {
        tracing::warn!(target: "plugins", plugin = %name, "[grants] names a plugin that is not installed");
    }
    unknown
}

/// The documents of some rows as clients see them, a line each.
fn lines<'a>(rows: impl Iterator<Item = (&'a Key, &'a Bytes)>) -> std::io::Result<Bytes> {
    let mut lines = BytesMut::new();
    for (key, value) in rows {
        let document = keyspace::parse_document(key).and_then(|(_, id)| stored::decode(id, value.clone()));
        let document =
            document.ok_or_else(|| std::io::Error::other("a stored document is damaged: run `portcullis verify`"))?;
        lines.put_slice(&crate::http::document_text(&document));
        lines.put_u8(b'\n');
    }
    Ok(lines.freeze())
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
