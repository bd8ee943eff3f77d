//! The servers of a run: Portcullis with the probe plugins, and the baseline with the same documents.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use portcullis_bench::wire::{Answer, Connection, Request};
use portcullis_tests::{Host, Plugin, Setup};
use tempfile::TempDir;

use crate::Failure;

/// Documents of each resource.
const DOCUMENTS: usize = 1_000;

/// Headers that each server forms anew for each answer.
const OWN_HEADERS: &[&str] = &["content-length", "date", "location", "x-request-id"];

/// One way to serve a resource, as the probe plugin is installed.
pub(crate) struct Way {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// The resource that is served so.
    pub(crate) resource: &'static str,
    /// The least ratio to the baseline that the project promises for reads.
    pub(crate) target: f64,
}

/// All of them.
pub(crate) const WAYS: &[Way] = &[
    Way {
        name: "fresh sandbox",
        resource: "fresh",
        target: 0.55,
    },
    Way {
        name: "reused instance",
        resource: "reused",
        target: 0.8,
    },
    Way {
        name: "hooks resource",
        resource: "hooked",
        target: 0.9,
    },
];

/// A body of an ordinary size.
pub(crate) fn body(number: usize) -> String {
    format!(
        r#"{{"name":"probe {number}","category":"games","summary":"Real-time strategy game of ancient warfare","price_cents":{},"stock":{},"tags":["game::strategy","use::gameplaying"]}}"#,
        100 + number % 900,
        number % 50
    )
}

/// Another binary of the same build.
fn sibling(name: &str) -> Result<PathBuf, Failure> {
    let path = env::current_exe()?.with_file_name(name);
    if !path.is_file() {
        let build = "cargo build --release -p portcullis -p portcullis-bench";
        return Err(format!("{} is missing: {build}", path.display()).into());
    }
    Ok(path)
}

/// Requests are counted as they are in production, but so many come from one address that the usual rate would refuse them.
const RATES: &str = "[rates]\napi = { per_second = 1000000, burst = 10000000 }\n";

/// A host of the release build, without plugins.
pub(crate) fn release() -> Result<Setup, Failure> {
    Ok(Host::init().with_binary(&sibling("portcullis")?).with_config(RATES))
}

/// Starts Portcullis with the same plugin served in each way.
pub(crate) fn portcullis() -> Result<Host, Failure> {
    let fresh = Plugin::named("probe").renamed("fresh").serving("probe", "fresh");
    let reused = Plugin::named("probe").renamed("reused").serving("probe", "reused");
    let setup = release()?
        .with_plugin(&fresh)
        .with_plugin(&reused.with("instances = \"fresh\"", "instances = { reuse = 1_000 }"))
        .with_plugin(&Plugin::named("hooked"));
    Ok(setup.start())
}

/// The address of a host's API.
pub(crate) fn address(host: &Host) -> Result<SocketAddr, Failure> {
    Ok(host.api().authority().parse()?)
}

/// Makes the documents of one resource; returns their paths.
pub(crate) async fn fill(host: &Host, resource: &str) -> Result<Vec<String>, Failure> {
    let mut connection = Connection::open(address(host)?).await?;
    let mut paths = Vec::with_capacity(DOCUMENTS);
    for number in 0..DOCUMENTS {
        let made = connection
            .send(&Request::post(&format!("/api/{resource}"), &body(number)))
            .await?;
        let location = made
            .headers
            .into_iter()
            .find(|(name, _)| name == "location")
            .map(|(_, value)| value);
        paths.push(location.ok_or_else(|| format!("creating in {resource} was answered {}", made.status))?);
    }
    Ok(paths)
}

/// The server without Portcullis. Dropping it ends the process.
pub(crate) struct Baseline {
    child: Child,
    _data: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Baseline {
    /// Starts it with the documents at `paths` of a host, and with the headers that the host's answers have.
    pub(crate) async fn like(host: &Host, paths: &[String]) -> Result<Self, Failure> {
        let data = tempfile::tempdir()?;
        let mut connection = Connection::open(address(host)?).await?;
        let mut seed = String::new();
        let mut headers = Vec::new();
        for path in paths {
            let answer = connection.send(&Request::get(path)).await?;
            writeln!(seed, "{}", String::from_utf8(answer.body.clone())?)?;
            headers = fixed_headers(&answer);
        }
        let file = data.path().join("seed.jsonl");
        fs::write(&file, seed)?;
        let mut command = Command::new(sibling("baseline")?);
        command
            .arg("--data")
            .arg(data.path().join("db"))
            .arg("--seed")
            .arg(file);
        for header in headers {
            command.args(["--header", &header]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("stdout is piped")?).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("api http://")
            .ok_or("the baseline did not start")?
            .parse()?;
        Ok(Self {
            child,
            _data: data,
            address,
        })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        // Both fail only where the process is gone, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The headers that are the same in every answer.
fn fixed_headers(answer: &Answer) -> Vec<String> {
    let fixed = answer
        .headers
        .iter()
        .filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str()));
    fixed.map(|(name, value)| format!("{name}: {value}")).collect()
}

/// Fails unless both answers have the same status, headers and body, but for what no two answers share.
pub(crate) fn same(what: &str, ours: &Answer, theirs: &Answer) -> Result<(), Failure> {
    let (ours, theirs) = (comparable(ours)?, comparable(theirs)?);
    if ours != theirs {
        return Err(format!("{what}: the servers answer differently\n{ours}\n--- baseline\n{theirs}").into());
    }
    Ok(())
}

/// An answer as text, with placeholders for the id and the times of a document that was made by it.
fn comparable(answer: &Answer) -> Result<String, Failure> {
    let mut document: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&answer.body)?;
    let id = document
        .get("id")
        .and_then(|id| id.as_str())
        .unwrap_or_default()
        .to_owned();
    let made = answer.status == 201;
    if made {
        for name in ["id", "created_at", "updated_at"] {
            document.insert(name.to_owned(), "...".into());
        }
    }
    let mut headers = answer.headers.clone();
    headers.sort();
    let mut text = format!("{}\n", answer.status);
    for (name, value) in headers {
        let value = if name == "date" || name == "ratelimit" {
            "..."
        } else {
            &value.replace(&id, "...")
        };
        writeln!(text, "{name}: {value}")?;
    }
    let body = if made {
        serde_json::to_string(&document)?
    } else {
        String::from_utf8(answer.body.clone())?
    };
    Ok(text + &body)
}
