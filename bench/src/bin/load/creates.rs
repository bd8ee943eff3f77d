//! Durable creates of 64 clients, next to what the bare engine commits and to the server without Portcullis.

use std::sync::Arc;
use std::time::Instant;

use portcullis::storage::disk;
use portcullis::storage::engine::{Engine, Outcome};
use portcullis_bench::contest::{self, Contestant, Rules, Score, Turn};
use portcullis_bench::wire::{Connection, Request};
use portcullis_bench::{engine, process};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::Failure;
use crate::servers::{self, Baseline, WAYS};

const CLIENTS: usize = 64;

/// The threads of the bare test that the promise is of: each commits one document after another, as sled's own users do.
const THREADS: usize = 8;

/// The page cache of the bare engine: the host's default.
const CACHE_BYTES: u64 = 64 << 20;

/// The least ratio of creates to what the bare engine commits.
const PROMISED: f64 = 0.6;

pub(crate) async fn measure(rules: Rules) -> Result<(), Failure> {
    let rules = Rules {
        connections: CLIENTS,
        ..rules
    };
    let host = servers::portcullis()?;
    let baseline = Baseline::like(&host, &servers::fill(&host, WAYS[0].resource).await?).await?;
    agree(&host, &baseline).await?;
    let address = servers::address(&host)?;
    let creating = |name: &str, resource: &str, pid, address| Contestant {
        name: name.to_owned(),
        pid,
        address,
        requests: vec![Request::post(&format!("/api/{resource}"), &servers::body(7))],
        status: 201,
    };
    let mut contestants: Vec<_> = WAYS
        .iter()
        .map(|way| creating(way.name, way.resource, host.pid(), address))
        .collect();
    contestants.push(creating(
        "axum and sled by hand",
        WAYS[0].resource,
        baseline.pid(),
        baseline.address,
    ));

    let directory = tempfile::tempdir()?;
    let bare: Arc<dyn Engine> = Arc::new(disk::open(directory.path(), CACHE_BYTES)?);
    let mut scores: Vec<_> = contestants
        .iter()
        .map(|contestant| Score::of(&contestant.name))
        .collect();
    let mut by_threads = Score::of(&format!("the bare engine, {THREADS} threads"));
    let mut by_tasks = Score::of(&format!("the bare engine, {CLIENTS} tasks"));
    for round in 0..=rules.rounds {
        contest::round(&contestants, rules, round == 0, &mut scores).await?;
        for (score, committers) in [
            (&mut by_threads, Committers::Threads),
            (&mut by_tasks, Committers::Tasks),
        ] {
            let turn = commit_for_a_while(&bare, rules, committers).await?;
            if round > 0 {
                score.turns.push(turn);
            }
        }
    }
    scores.extend([by_threads, by_tasks]);
    report(&scores);
    Ok(())
}

/// Who commits into the bare engine.
#[derive(Clone, Copy)]
enum Committers {
    /// Threads, each of which waits for its commit.
    Threads,
    /// As many tasks as there are clients, all on one thread: nothing that HTTP needs is paid for.
    Tasks,
}

/// Both servers answer the same create alike.
async fn agree(host: &portcullis_tests::Host, baseline: &Baseline) -> Result<(), Failure> {
    let request = Request::post(&format!("/api/{}", WAYS[0].resource), &servers::body(7));
    let request = request.with("x-request-id", "the-same-for-both");
    let ours = Connection::open(servers::address(host)?).await?.send(&request).await?;
    let theirs = Connection::open(baseline.address).await?.send(&request).await?;
    servers::same("a create", &ours, &theirs)
}

/// Each committer commits one document after another.
async fn commit_for_a_while(bare: &Arc<dyn Engine>, rules: Rules, committers: Committers) -> Result<Turn, Failure> {
    let cpu = process::cpu(std::process::id())?;
    let start = Instant::now();
    let count = match committers {
        Committers::Threads => THREADS,
        Committers::Tasks => rules.connections,
    };
    let mut tasks = JoinSet::new();
    for task in 0..count {
        let bare = Arc::clone(bare);
        let most = rules.most / count as u64;
        let committing = async move {
            let body = servers::body(task);
            let mut commits = 0;
            while commits < most && start.elapsed() < rules.turn {
                match bare.commit(engine::creation(WAYS[0].resource, &body)).await {
                    Outcome::Committed(_) => commits += 1,
                    other => return Err(format!("a commit came to {other:?}")),
                }
            }
            Ok(commits)
        };
        match committers {
            Committers::Threads => {
                let handle = Handle::current();
                tasks.spawn_blocking(move || handle.block_on(committing))
            }
            Committers::Tasks => tasks.spawn(committing),
        };
    }
    let mut commits = 0;
    while let Some(task) = tasks.join_next().await {
        commits += task??;
    }
    let took = start.elapsed();
    let cpu = process::cpu(std::process::id())?.saturating_sub(cpu);
    Ok(Turn {
        per_second: commits as f64 / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / commits as f64,
    })
}

fn report(scores: &[Score]) {
    let [.., by_threads, by_tasks] = scores else { return };
    println!("\n### Durable creates, {CLIENTS} clients\n");
    println!(
        "Ratios to what the bare engine commits: by {THREADS} threads, of which {PROMISED:.2} is promised, and by {CLIENTS} tasks.\n"
    );
    println!("| what | creates/s | of {THREADS} threads | of {CLIENTS} tasks | CPU, us/create |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for score in scores {
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.1} |",
            score.name,
            score.median(|turn| turn.per_second),
            score.ratio(by_threads, |turn| turn.per_second),
            score.ratio(by_tasks, |turn| turn.per_second),
            score.median(|turn| turn.cpu_us),
        );
    }
}
