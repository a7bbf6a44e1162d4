//! One direction of a tunnel: late, counted, and stopped at a byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::Stop;
use crate::byte_limit::ByteLimit;

/// So many pieces may be on their way; more than any window of TCP or SSH lets a sender have.
const IN_FLIGHT: usize = 512;

/// What happens to the bytes of a direction.
pub(super) struct Way {
    pub(super) delay: Duration,
    pub(super) limit: ByteLimit,
    pub(super) then: Stop,
    pub(super) piece: usize,
}

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its sender closed it, or its receiver takes no more.
    Closed,
    /// The tunnel is to be cut.
    Cut,
}

/// Passes the bytes of one direction until it ends; `first` goes before everything that is read.
pub(super) async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    first: Vec<u8>,
    mut way: Way,
    count: impl Fn(u64),
) -> Ended {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let delay = way.delay;
    let read = async move {
        if !first.is_empty() && sender.send((Instant::now() + delay, first)).await.is_err() {
            return;
        }
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if sender.send((Instant::now() + delay, buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
        // An end travels as long as a byte does.
        let _ = sender.send((Instant::now() + delay, Vec::new())).await;
    };
    let write = async {
        while let Some((due, bytes)) = receiver.recv().await {
            if !delay.is_zero() {
                tokio::time::sleep_until(due).await;
            }
            for piece in bytes.chunks(way.piece) {
                if way.limit.is_reached() {
                    break;
                }
                let allowed = way.limit.allows(piece.len());
                count(allowed as u64);
                // What the receiver sent before it closed is still in flight to the sender, and so is its end.
                if to.write_all(&piece[..allowed]).await.is_err() {
                    return Ended::Closed;
                }
                way.limit.passed(allowed);
            }
            if way.limit.is_reached() {
                if way.then == Stop::Cut {
                    return Ended::Cut;
                }
                std::future::pending::<()>().await;
            }
        }
        // The other end of a connection that is gone needs no closing.
        let _ = to.shutdown().await;
        Ended::Closed
    };
    tokio::pin!(read, write);
    // Once nothing more can be written there is nothing to read for; what was read before an end is still to be written.
    tokio::select! {
        ended = &mut write => ended,
        () = &mut read => write.await,
    }
}
