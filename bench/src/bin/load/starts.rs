//! What a host costs that does nothing yet: its start with everything compiled, and its memory.

use std::thread;
use std::time::Duration;

use portcullis_bench::contest::median;
use portcullis_bench::process;

use crate::{Failure, servers};

/// Starts that are timed.
const STARTS: usize = 10;

/// After this long a host that nobody asks anything has settled.
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) fn measure() -> Result<(), Failure> {
    let mut host = servers::release()?.with_plugins(["catalog", "orders"]).start();
    let cold = host.started_in();
    let mut warm = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        host.terminate();
        host.restart();
        warm.push(host.started_in().as_secs_f64() * 1e3);
    }
    thread::sleep(SETTLED);
    let resident = process::resident_mib(host.pid())?;
    println!("\n### Start and idle memory, with the plugins of the repository\n");
    println!("| what | figure | promised |");
    println!("| --- | ---: | ---: |");
    println!(
        "| start with warm code cache, until it listens | {:.0} ms | 150 ms |",
        median(warm)
    );
    println!(
        "| first start, which compiles the plugins | {:.0} ms | |",
        cold.as_secs_f64() * 1e3
    );
    println!("| resident memory, idle | {resident:.1} MiB | 80 MiB |");
    Ok(())
}
