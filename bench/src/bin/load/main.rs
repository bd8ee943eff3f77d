//! Measures Portcullis over loopback, next to a server without it that answers the same, in turns in one run.
//!
//! `cargo build --release -p portcullis -p portcullis-bench && target/release/load` prints the tables of `docs/benchmarks.md`.

mod accounts;
mod creates;
mod percentile;
mod reads;
mod servers;
mod slow;
mod starts;

use std::time::Duration;

use clap::Parser;
use portcullis_bench::contest::Rules;

/// No turn sends more requests than this.
const MOST_REQUESTS: u64 = 2_000_000;

#[derive(Parser)]
struct Arguments {
    /// Turns of each server; the figures are medians over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The length of a turn in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    turn_ms: u64,
    /// Connections of the reads; the creates have 64.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Logins that fail, half of them of an address that has an account.
    #[arg(long, default_value_t = 10_000)]
    logins: usize,
    /// Only this part: reads, creates, slow, starts or accounts.
    #[arg(long)]
    only: Option<String>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One thread, so that the generator takes as little as it can of the cores that the servers have.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let rules = Rules {
        rounds: arguments.rounds,
        turn: Duration::from_millis(arguments.turn_ms),
        most: MOST_REQUESTS,
        connections: arguments.connections,
    };
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    if wanted("starts") {
        starts::measure()?;
    }
    if wanted("reads") {
        reads::measure(rules).await?;
    }
    if wanted("creates") {
        creates::measure(rules).await?;
    }
    if wanted("accounts") {
        accounts::measure(rules, arguments.logins).await?;
    }
    if wanted("slow") {
        slow::measure(rules).await?;
    }
    Ok(())
}
