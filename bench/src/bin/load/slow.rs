//! What a thousand clients that send a byte a second do to everybody else: the 99th percentile of ordinary requests with and
//! without them, in turns in one run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use portcullis_bench::contest::{Rules, median};
use portcullis_bench::wire::Request;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::percentile::{ORDINARY, percentile_99_us};
use crate::{Failure, servers};

/// Slow clients.
const SLOW: usize = 1_000;
/// Between two of their bytes.
const PAUSE: Duration = Duration::from_secs(1);
/// Until all of them are there.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that the slow ones may lengthen the others' 99th percentile.
const PROMISED: f64 = 2.0;

pub(crate) async fn measure(rules: Rules) -> Result<(), Failure> {
    let host = servers::portcullis()?;
    let address = servers::address(&host)?;
    let paths = servers::fill(&host, "fresh").await?;
    let requests: Vec<Request> = paths.iter().map(|path| Request::get(path)).collect();
    let (mut quiet, mut slow) = (Vec::new(), Vec::new());
    // The first round warms everything up and is not counted.
    for round in 0..=rules.rounds {
        let without = percentile_99_us(address, &requests, rules.turn).await?;
        let crowd = Crowd::gather(address).await?;
        let with = percentile_99_us(address, &requests, rules.turn).await?;
        crowd.leave()?;
        if round > 0 {
            quiet.push(without);
            slow.push(with);
        }
    }
    let ratio = median(slow.iter().zip(&quiet).map(|(with, without)| with / without).collect());
    println!("\n### 99th percentile of a read, {ORDINARY} connections, beside {SLOW} slow ones\n");
    println!("| slow connections | 99th percentile | ratio | promised |");
    println!("| --- | ---: | ---: | ---: |");
    println!("| none | {:.0} us | 1.00 | |", median(quiet));
    println!("| {SLOW} | {:.0} us | {ratio:.2} | below {PROMISED:.2} |", median(slow));
    if ratio < PROMISED {
        Ok(())
    } else {
        Err(format!("slow connections lengthen the others' 99th percentile {ratio:.2} times").into())
    }
}

/// Slow clients, on a thread of their own, so that the generator of the others is none of what they hold up.
struct Crowd {
    stop: watch::Sender<bool>,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Crowd {
    /// Returns once all of them have sent something.
    async fn gather(address: SocketAddr) -> Result<Self, Failure> {
        let (stop, stopped) = watch::channel(false);
        let there = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&there);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(crowd(address, &counted, stopped));
            Ok(())
        });
        let begin = Instant::now();
        while there.load(Ordering::Relaxed) < SLOW {
            if begin.elapsed() > PATIENCE {
                let there = there.load(Ordering::Relaxed);
                return Err(format!("only {there} slow clients could connect").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { stop, thread })
    }

    fn leave(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        Ok(self.thread.join().map_err(|_| "a slow client panicked")??)
    }
}

/// Runs until told to stop; then all connections are dropped.
async fn crowd(address: SocketAddr, there: &Arc<AtomicUsize>, mut stopped: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    for number in 0..SLOW {
        let there = Arc::clone(there);
        clients.spawn(async move {
            let mut is_first = true;
            // The host ends it after a while; then it comes again.
            loop {
                let _ = dribble(address, number, &there, &mut is_first).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    // Without a sender it is over, too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Half of them never come to the end of a head, the others not to the end of a body.
async fn dribble(address: SocketAddr, number: usize, there: &AtomicUsize, is_first: &mut bool) -> std::io::Result<()> {
    let begin = match number % 2 {
        0 => "GET /api/fresh HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        _ => {
            "POST /api/fresh HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{"
        }
    };
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(begin.as_bytes()).await?;
    if std::mem::take(is_first) {
        there.fetch_add(1, Ordering::Relaxed);
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        stream.write_all(b" ").await?;
    }
}
