//! How long requests take for those who wait longest.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_bench::wire::{Connection, Request, WireError};
use tokio::task::JoinSet;

use crate::Failure;

/// Clients that are measured, each with one request at a time.
pub(crate) const ORDINARY: usize = 8;

/// The 99th percentile of the time of a request, in microseconds.
pub(crate) async fn percentile_99_us(
    address: SocketAddr,
    requests: &[Request],
    turn: Duration,
) -> Result<f64, Failure> {
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..ORDINARY {
        let mut requests = requests.to_vec();
        let first = client * requests.len() / ORDINARY;
        requests.rotate_left(first);
        clients.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut times = Vec::new();
            for request in requests.iter().cycle() {
                if begin.elapsed() >= turn {
                    break;
                }
                let sent = Instant::now();
                let status = connection.status_of(request).await?;
                if status != 200 {
                    return Err(WireError::Answer(format!("status {status}")));
                }
                times.push(sent.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = clients.join_next().await {
        times.extend(client??);
    }
    times.sort_unstable();
    let at = times.len() * 99 / 100;
    let time = times.get(at).ok_or("no request was answered")?;
    Ok(time.as_secs_f64() * 1e6)
}
