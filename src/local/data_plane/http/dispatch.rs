//! A request on its way to a target, until the head of the response is there.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::time::Instant;

use super::body::{Activity, RequestBody};
use super::pool::Lease;

/// Why there is no response.
pub(in crate::local::data_plane) enum Unsent {
    /// Nothing of the request went out.
    Again(Box<Request<RequestBody>>),
    /// What came was no HTTP, or nothing came before the target closed the connection.
    Broken,
    /// Nothing came of the rest of the request for the idle timeout.
    ClientTimeout,
    /// Nothing came of the response for the idle timeout.
    Timeout,
}

/// Sends the request, and waits for the response's head as long as something moves.
pub(in crate::local::data_plane) async fn send(
    lease: &mut Lease,
    request: Request<RequestBody>,
    activity: &Activity,
    idle_timeout: Duration,
) -> Result<Response<Incoming>, Unsent> {
    let Some(sender) = lease.sender() else { return Err(Unsent::Broken) };
    let mut response = std::pin::pin!(sender.send(request));
    loop {
        let deadline = activity.last() + idle_timeout;
        tokio::select! {
            sent = &mut response => return sent.map_err(|mut error| match error.take_message() {
                Some(request) => Unsent::Again(Box::new(request)),
                None => Unsent::Broken,
            }),
            () = tokio::time::sleep_until(deadline) => {
                // The request's body may have moved meanwhile.
                if activity.last() + idle_timeout <= Instant::now() {
                    let late = activity.awaits_client();
                    return Err(if late { Unsent::ClientTimeout } else { Unsent::Timeout });
                }
            }
        }
    }
}
