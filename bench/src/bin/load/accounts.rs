//! What accounts cost: a session on a request, a login of somebody who is known and of somebody who is not, and logins as fast
//! as they go, for those who log in and for everybody else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use portcullis_bench::contest::{Rules, median};
use portcullis_bench::wire::{Connection, Request};
use portcullis_tests::{Host, PASSWORD, Plugin};
use serde_json::json;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::task::JoinSet;

use crate::percentile::percentile_99_us;
use crate::{Failure, servers};

/// Requests of each kind whose time is compared.
const REQUESTS: usize = 20_000;
/// The most that a session may add to the median, in microseconds.
const SESSION_US: f64 = 5.0;
/// The most that the medians of logins may differ.
const LOGINS_DIFFER: f64 = 0.01;
/// Clients that log in as fast as they can.
const CLIENTS: usize = 16;
/// The least of the rate of bare argon2id that logins reach. That is argon2id as fast as it goes, and a login is more: a
/// session, an event and a durable commit.
const LOGINS_REACH: f64 = 0.8;
/// The most that they may lengthen the others' 99th percentile.
const OTHERS: f64 = 2.0;

/// Everything is counted as it is in production, but so much comes from one address that the usual limits would refuse it.
const LIMITS: &str = "[accounts.attempts]\nper_account = 1000000\nper_network = 1000000\n[rates]\n\
     api = { per_second = 1000000, burst = 10000000 }\nauth = { per_second = 1000000, burst = 10000000 }\n\
     account = { per_second = 1000000, burst = 10000000 }\n";

const ADA: &str = "ada@example.org";
/// Which salt it is makes no difference to how long hashing takes.
const SALT: &[u8] = b"sixteen bytes of";

pub(crate) async fn measure(rules: Rules, logins: usize) -> Result<(), Failure> {
    let fresh = Plugin::named("probe").renamed("fresh").serving("probe", "fresh");
    let setup = servers::release()?.with_plugin(&fresh).with_config(LIMITS);
    let host = setup.start();
    host.account(ADA, &[]);
    let paths = servers::fill(&host, "fresh").await?;
    let mut broken = Vec::new();
    broken.extend(session(&host, &paths[0]).await?);
    broken.extend(enumeration(&host, logins).await?);
    broken.extend(throughput(&host, &paths, rules).await?);
    match broken.is_empty() {
        true => Ok(()),
        false => Err(broken.join("; ").into()),
    }
}

/// The time of each of some requests in turn, in microseconds, a list for each.
async fn times(address: SocketAddr, requests: &[(Request, u16)], rounds: usize) -> Result<Vec<Vec<f64>>, Failure> {
    let mut connection = Connection::open(address).await?;
    let mut times = vec![Vec::with_capacity(rounds); requests.len()];
    // The first tenth warms everything up and is not counted.
    for round in 0..rounds + rounds / 10 {
        // Whoever comes first in a round has it better or worse, and what alternates would add that up. The turns of Thue and
        // Morse are fair.
        let first = round.count_ones() as usize;
        for turn in 0..requests.len() {
            let place = (first + turn) % requests.len();
            let ((request, expected), times) = (&requests[place], &mut times[place]);
            let sent = Instant::now();
            let status = connection.status_of(request).await?;
            if status != *expected {
                return Err(format!("an answer has the status {status}, and not {expected}").into());
            }
            if round >= rounds / 10 {
                times.push(sent.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    Ok(times)
}

/// Keeps all cores awake while nobody else wants them. Between two requests a core would fall asleep otherwise, and waking
/// it, which takes longer than a request or not as it likes, is not what is measured.
struct Awake(Arc<AtomicBool>);

impl Awake {
    fn begin() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
                set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
                    .expect("a thread may always go behind the others");
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(is_over)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn session(host: &Host, path: &str) -> Result<Option<String>, Failure> {
    let _awake = Awake::begin();
    let token = host.session(ADA);
    let anonymous = Request::get(path);
    let with = anonymous.clone().with("authorization", &format!("Bearer {token}"));
    let times = times(servers::address(host)?, &[(anonymous, 200), (with, 200)], REQUESTS).await?;
    let [without, with] = [median(times[0].clone()), median(times[1].clone())];
    println!("\n### A read, one at a time, {REQUESTS} of each\n");
    println!("| caller | median | more | promised |");
    println!("| --- | ---: | ---: | ---: |");
    println!("| anybody | {without:.1} us | | |");
    println!(
        "| a session | {with:.1} us | {:.1} us | at most {SESSION_US:.0} us |",
        with - without
    );
    Ok((with - without > SESSION_US).then(|| format!("a session costs {:.1} us", with - without)))
}

async fn enumeration(host: &Host, logins: usize) -> Result<Option<String>, Failure> {
    let login = |email: &str| {
        let body = json!({ "email": email, "password": "seventeen copper umbrellas" });
        (Request::post("/auth/login", &body.to_string()), 401)
    };
    let requests = [login(ADA), login("bob@example.org")];
    let times = times(servers::address(host)?, &requests, logins / 2).await?;
    let [known, unknown] = [median(times[0].clone()), median(times[1].clone())];
    let differ = (known / unknown - 1.0).abs();
    println!("\n### A login that fails, one at a time, {logins} in all\n");
    println!("| address | median | differs | promised |");
    println!("| --- | ---: | ---: | ---: |");
    println!("| known | {:.2} ms | | |", known / 1e3);
    println!(
        "| unknown | {:.2} ms | {:.2} % | at most 1 % |",
        unknown / 1e3,
        differ * 100.0
    );
    Ok((differ > LOGINS_DIFFER).then(|| format!("logins differ by {:.2} %", differ * 100.0)))
}

async fn throughput(host: &Host, paths: &[String], rules: Rules) -> Result<Option<String>, Failure> {
    let address = servers::address(host)?;
    let requests: Vec<Request> = paths.iter().map(|path| Request::get(path)).collect();
    let (mut bare, mut reached, mut quiet, mut beside) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rules.rounds {
        let hashes = tokio::task::spawn_blocking(move || bare_hashes(rules.turn)).await??;
        let without = percentile_99_us(address, &requests, rules.turn).await?;
        let logins = logins_per_second(address, rules.turn).await?;
        let crowd = tokio::spawn(logins_per_second(address, rules.turn * 2));
        tokio::time::sleep(rules.turn / 4).await;
        let with = percentile_99_us(address, &requests, rules.turn).await?;
        crowd.await??;
        if round > 0 {
            bare.push(hashes);
            reached.push(logins);
            quiet.push(without);
            beside.push(with);
        }
    }
    let ratio =
        |ours: &[f64], theirs: &[f64]| median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect());
    let (rate, others) = (ratio(&reached, &bare), ratio(&beside, &quiet));
    println!("\n### Logins as fast as they go, {CLIENTS} clients\n");
    println!("| | | ratio | promised |");
    println!("| --- | ---: | ---: | ---: |");
    println!("| argon2id alone, on all cores | {:.1} in a second | | |", median(bare));
    println!(
        "| logins | {:.1} in a second | {rate:.2} | at least {LOGINS_REACH} |",
        median(reached)
    );
    println!(
        "| 99th percentile of a read without logins | {:.0} us | | |",
        median(quiet)
    );
    println!(
        "| beside them | {:.0} us | {others:.2} | below {OTHERS} |",
        median(beside)
    );
    let mut broken = Vec::new();
    if rate < LOGINS_REACH {
        broken.push(format!("logins reach {rate:.2} of bare argon2id"));
    }
    if others >= OTHERS {
        broken.push(format!("logins lengthen the others' 99th percentile {others:.2} times"));
    }
    Ok((!broken.is_empty()).then(|| broken.join("; ")))
}

/// Hashes in a second with the host's parameters, on as many threads as it has, each of which keeps its memory: as fast as
/// argon2id goes.
fn bare_hashes(turn: Duration) -> Result<f64, Failure> {
    let hashing = portcullis::config::Hashing::default();
    let params = Params::new(hashing.memory_kib, hashing.iterations, hashing.lanes, None)
        .map_err(|error| format!("argon2: {error}"))?;
    let begin = Instant::now();
    let threads: Vec<_> = (0..hashing.concurrent)
        .map(|_| {
            let params = params.clone();
            thread::spawn(move || {
                let mut memory = vec![Block::new(); params.block_count()];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let (mut hashed, mut hash) = (0_u64, [0; 32]);
                while begin.elapsed() < turn {
                    let password = PASSWORD.as_bytes();
                    let done = argon2.hash_password_into_with_memory(password, SALT, &mut hash, &mut memory);
                    hashed += u64::from(done.is_ok());
                }
                hashed
            })
        })
        .collect();
    let mut hashed = 0;
    for thread in threads {
        hashed += thread.join().map_err(|_| "a thread panicked")?;
    }
    Ok(hashed as f64 / begin.elapsed().as_secs_f64())
}

async fn logins_per_second(address: SocketAddr, turn: Duration) -> Result<f64, Failure> {
    let body = json!({ "email": ADA, "password": PASSWORD }).to_string();
    let (begin, mut clients) = (Instant::now(), JoinSet::new());
    for _ in 0..CLIENTS {
        let request = Request::post("/auth/login", &body);
        clients.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut logins = 0_u64;
            while begin.elapsed() < turn {
                let status = connection.status_of(&request).await?;
                if status != 200 {
                    return Err(portcullis_bench::wire::WireError::Answer(format!("status {status}")));
                }
                logins += 1;
            }
            Ok(logins)
        });
    }
    let mut logins = 0;
    while let Some(client) = clients.join_next().await {
        logins += client??;
    }
    Ok(logins as f64 / begin.elapsed().as_secs_f64())
}
