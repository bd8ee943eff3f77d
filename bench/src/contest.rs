//! Servers measured against each other in one run, in turns, so that whatever else the machine does strikes all of them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::process;
use crate::wire::{self, Request, WireError};

/// One server with what it is asked.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// What the report calls it.
    pub name: String,
    /// Its process, for the CPU time.
    pub pid: u32,
    /// Where it listens.
    pub address: SocketAddr,
    /// The requests, sent in turn.
    pub requests: Vec<Request>,
    /// The status of each answer.
    pub status: u16,
}

/// How long and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Turns of each contestant; a first one, which warms it up, is not counted.
    pub rounds: usize,
    /// The length of a turn.
    pub turn: Duration,
    /// At most so many requests in a turn.
    pub most: u64,
    /// Connections, each with one request at a time.
    pub connections: usize,
}

/// What one contestant did in one turn.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Answers in a second.
    pub per_second: f64,
    /// CPU time of the server for one answer, in microseconds.
    pub cpu_us: f64,
}

/// All turns of one contestant, in order.
#[derive(Clone, Debug)]
pub struct Score {
    /// What the report calls it.
    pub name: String,
    /// Its turns.
    pub turns: Vec<Turn>,
}

impl Score {
    /// Without a turn yet.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            turns: Vec::new(),
        }
    }

    /// The median of a figure.
    pub fn median(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(figure).collect())
    }

    /// The median of the ratios of a figure to that of `other` in the same round.
    pub fn ratio(&self, other: &Score, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(
            self.turns
                .iter()
                .zip(&other.turns)
                .map(|(own, other)| figure(own) / figure(other))
                .collect(),
        )
    }
}

/// Lets each contestant in turn answer for a while, round after round.
pub async fn run(contestants: &[Contestant], rules: Rules) -> Result<Vec<Score>, WireError> {
    let mut scores: Vec<_> = contestants
        .iter()
        .map(|contestant| Score::of(&contestant.name))
        .collect();
    for number in 0..=rules.rounds {
        round(contestants, rules, number == 0, &mut scores).await?;
    }
    Ok(scores)
}

/// One turn of each contestant; one that only warms it up is not counted.
pub async fn round(
    contestants: &[Contestant],
    rules: Rules,
    warming: bool,
    scores: &mut [Score],
) -> Result<(), WireError> {
    for (contestant, score) in contestants.iter().zip(scores) {
        let turn = turn(contestant, rules).await?;
        if !warming {
            score.turns.push(turn);
        }
    }
    Ok(())
}

async fn turn(contestant: &Contestant, rules: Rules) -> Result<Turn, WireError> {
    let Contestant {
        address,
        requests,
        status,
        ..
    } = contestant;
    let before = process::cpu(contestant.pid)?;
    let load = wire::drive(*address, requests, *status, rules.connections, rules.turn, rules.most).await?;
    let cpu = process::cpu(contestant.pid)?.saturating_sub(before);
    Ok(Turn {
        per_second: load.answers as f64 / load.took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / load.answers as f64,
    })
}

/// The middle of the figures; of an even number of them, the upper one of the two in the middle.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
