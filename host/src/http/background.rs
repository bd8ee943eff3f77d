//! Work for the processor that takes too long to be done between other requests.

use std::sync::LazyLock;
use std::thread;

use tokio::sync::Semaphore;

use super::problem::Problem;

/// Room for as many at a time as there are processors. More would finish no sooner, and hold their memory meanwhile.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(2, usize::from)));

/// Does it on a thread of its own, once there is room.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    run_in(&PLACES, work).await
}

async fn run_in<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let place = places.acquire().await;
    let done = tokio::task::spawn_blocking(move || {
        // It is held here: the work goes on where the client, and with it who waits for the result, has gone away.
        let _place = place;
        work()
    });
    done.await.map_err(|error| {
        tracing::error!(target: "http", %error, "a conversion failed");
        Problem::internal()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    static ONE: Semaphore = Semaphore::const_new(1);

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_keeps_its_place_until_it_has_ended() {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (turn, until) = mpsc::channel::<()>();
        let working = tokio::spawn(run_in(&ONE, move || {
            let _ = begun.send(());
            // Ends once the other half is dropped.
            let _ = until.recv();
        }));
        has_begun.await.unwrap();
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        assert_eq!(ONE.available_permits(), 0);
        drop(turn);
        assert_eq!(run_in(&ONE, || 7).await.ok(), Some(7));
    }
}
