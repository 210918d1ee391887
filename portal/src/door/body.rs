//! Bodies of requests: each is read as a whole before the request takes one of the places of `--max-in-flight`, within ten seconds, and no matter
//! how many come at once they take no more memory together than is set aside for them.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long a body may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of each body that are not counted: as much as a device or a browser sends.
const UNCOUNTED: usize = 32 * 1024;
/// What larger bodies may take together, in KiB. One that finds no room waits for it as long as for its own octets.
static ROOM: Semaphore = Semaphore::const_new(32 * 1024);
/// How much of a body that is too large is thrown away before the answer, in octets: a sender that is still sending hears no answer.
const DRAINED: usize = 16 * 1024 * 1024;

/// Why there is no body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoBody {
    /// It is larger than the limit.
    TooLarge,
    /// It did not come in time, or there was no room for it.
    TooSlow,
    /// It broke off.
    BrokeOff,
}

/// The whole of `body`, which may have `limit` octets.
///
/// # Errors
/// [`NoBody`].
pub(crate) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, NoBody> {
    tokio::time::timeout(PATIENCE, read_whole(body, limit)).await.unwrap_or(Err(NoBody::TooSlow))
}

async fn read_whole(mut body: Body, limit: usize) -> Result<Vec<u8>, NoBody> {
    let (mut kept, mut length) = (Vec::new(), 0);
    let mut room: Option<SemaphorePermit<'static>> = None;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(chunk) = frame.map_err(|_| NoBody::BrokeOff)?.into_data() else { continue };
        length += chunk.len();
        if length > DRAINED.max(limit) {
            break;
        }
        if length > limit {
            (kept, room) = (Vec::new(), None);
            continue;
        }
        let wanted = length.saturating_sub(UNCOUNTED).div_ceil(1024);
        let has = room.as_ref().map_or(0, SemaphorePermit::num_permits);
        if let Some(more) = u32::try_from(wanted.saturating_sub(has)).ok().filter(|more| *more > 0) {
            // It is never closed.
            let more = ROOM.acquire_many(more).await.map_err(|_| NoBody::TooSlow)?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
        }
        kept.extend_from_slice(&chunk);
    }
    if length > limit { Err(NoBody::TooLarge) } else { Ok(kept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        assert_eq!(read(Body::from("abc"), 3).await, Ok(b"abc".to_vec()));
        assert_eq!(read(Body::from("abcd"), 3).await, Err(NoBody::TooLarge));
        let large = vec![7; 1024 * 1024];
        assert_eq!(read(Body::from(large.clone()), large.len()).await, Ok(large));
        assert_eq!(ROOM.available_permits(), 32 * 1024, "the room is given back");
    }
}
