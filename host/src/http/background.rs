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
    let _place = PLACES.acquire().await;
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(target: "http", %error, "a conversion failed");
        Problem::internal()
    })
}
