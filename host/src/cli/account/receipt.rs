//! Receipts of erasures: are they the host's own?

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::accounts::{Receipt, Signed};
use crate::cli::failure::Failure;
use crate::http;

/// The largest receipt that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Checks a receipt, as `DELETE /auth/me` answers it or its `jws` alone, with the `x` of a host's key. What is
/// signed is shown, and has to be what stands beside it.
pub(super) fn verify(file: Option<&Path>, key: &str) -> Result<Value, Failure> {
    let cannot = |error: io::Error| Failure::Failed(format!("cannot read the receipt: {error}"));
    let mut text = String::new();
    let input: Box<dyn Read> = match file {
        Some(path) => Box::new(File::open(path).map_err(cannot)?),
        None => Box::new(io::stdin().lock()),
    };
    input.take(MAX_BYTES).read_to_string(&mut text).map_err(cannot)?;
    let whole: Value = serde_json::from_str(&text).unwrap_or_default();
    let jws = match (&whole, whole["jws"].as_str()) {
        (_, Some(jws)) => jws,
        // What was refused has an answer as well.
        (Value::Object(_), None) => {
            let said = whole["detail"].as_str().map(|detail| format!(": \"{detail}\""));
            let message = format!("this is no receipt: it has no `jws`{}", said.unwrap_or_default());
            return Err(Failure::Failed(message));
        }
        _ => text.trim(),
    };
    let public = BASE64URL_NOPAD.decode(key.as_bytes());
    let public = public.map_err(|_| Failure::Failed("the key is not the `x` of a JSON Web Key".to_owned()))?;
    let receipt = Receipt::verified(jws, &public).map_err(Failure::Failed)?;
    // Whoever reads the file reads the other half, so that has to say the same.
    let signed = http::receipt_value(&Signed {
        receipt: receipt.clone(),
        jws: jws.to_owned(),
    });
    if whole
        .get("receipt")
        .is_some_and(|readable| *readable != signed["receipt"])
    {
        let message = format!("`receipt` was changed: what is signed is {}", signed["receipt"]);
        return Err(Failure::Failed(message));
    }
    Ok(json!({ "verified": receipt }))
}

/// A receipt for people.
pub(super) fn described(value: &Value) -> String {
    let receipt = value.get("receipt").or(value.get("verified")).unwrap_or(value);
    let mut lines = Vec::new();
    if value.get("verified").is_some() {
        lines.push("the receipt is this host's".to_owned());
    }
    lines.push(format!(
        "account {} is erased",
        receipt["account"].as_str().unwrap_or_default()
    ));
    for (what, count) in receipt["removed"].as_object().into_iter().flatten() {
        match count {
            Value::Object(by_collection) => lines.extend(
                by_collection
                    .iter()
                    .map(|(collection, count)| format!("  {what} of `{collection}`: {count}")),
            ),
            count => lines.push(format!("  {}: {count}", what.replace('_', " "))),
        }
    }
    let outside = receipt["outside"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    lines.extend(outside.map(|what| format!("  not removed: {what}")));
    if let Some(traces) = value.get("traces") {
        lines.push(format!(
            "{} keys were looked at: {} hold the id and nothing else, none tells of the account",
            traces["keys"], traces["opaque"]
        ));
    }
    if let Some(jws) = value["jws"].as_str() {
        lines.push(format!("signed: {jws}"));
    }
    lines.join("\n")
}
