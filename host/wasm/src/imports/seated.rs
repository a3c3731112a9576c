//! A result on its way to a durable guest. It is taken as soon as it has come to the guest's thread, by a task of its own there: a guest may
//! wait for something else first, and would wait for ever if that were let through only behind what it does not look at.

use holdfast_call::Seat;
use wasmtime_wasi::runtime::spawn;

/// What comes, and until then the seat of whoever waits for it. Call it on the guest's thread; dropping it gives the seat up.
pub(super) async fn seated<T: Send + 'static>(
    seat: Seat,
    comes: impl Future<Output = T> + Send + 'static,
) -> T {
    if !seat.is_kept() {
        return comes.await;
    }
    spawn(async move {
        let came = comes.await;
        drop(seat);
        came
    })
    .await
}
