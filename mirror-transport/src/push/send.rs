//! The sending half of a push: the request, and the pack as it is made on a thread of its own.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use gix_hash::ObjectId;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use super::session::PushEvent;
use mirror_git::pack::make::{DeltaForm, Objects, PackError, PackFigures, PackPlan};

/// How many bytes of the pack go to the stream in one piece.
const PIECE: usize = 64 << 10;

/// How many pieces may wait for the stream.
const WAITING: usize = 4;

/// A pack whose objects are known and whose bytes are coming.
pub(super) struct ComingPack {
    /// How many objects it will have.
    pub(super) objects: u64,
    pieces: mpsc::Receiver<Piece>,
}

enum Piece {
    Bytes { bytes: Vec<u8>, objects: u64 },
    End(Result<PackFigures, PackError>),
}

/// Starts to make a pack, on a thread for blocking work; it ends where the [`ComingPack`] is dropped.
pub(super) async fn start(
    store: impl Objects,
    tips: Vec<ObjectId>,
    boundaries: Vec<ObjectId>,
    form: DeltaForm,
) -> Result<ComingPack, PackError> {
    let (say_planned, planned) = oneshot::channel();
    let (hand_on, pieces) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let plan = match PackPlan::new(&store, &tips, &boundaries) {
            Ok(plan) => plan,
            // Where nobody waits any more, nobody needs to know.
            Err(error) => return drop(say_planned.send(Err(error))),
        };
        if say_planned.send(Ok(plan.objects() as u64)).is_err() {
            return;
        }
        let objects = Cell::new(0);
        let mut out = Handed { pieces: &hand_on, buffer: Vec::with_capacity(PIECE), objects: &objects };
        let ended = plan.write(&store, form, &mut out, &mut |count| objects.set(count));
        drop(hand_on.blocking_send(Piece::End(ended)));
    });
    let objects = planned.await.map_err(|_| PackError::BrokenOff)??;
    Ok(ComingPack { objects, pieces })
}

/// Collects bytes into pieces, and waits where the stream is behind.
struct Handed<'a> {
    pieces: &'a mpsc::Sender<Piece>,
    buffer: Vec<u8>,
    objects: &'a Cell<u64>,
}

impl Write for Handed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        let taken = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let piece = Piece::Bytes { bytes, objects: self.objects.get() };
        self.pieces.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// Why sending ended before its end.
pub(super) enum SendError {
    /// The pack could not be made; its trailer was not sent.
    Pack(PackError),
    /// The stream broke.
    Stream(io::Error),
}

/// Sends the request and the pack, counting in `sent` what the stream took, and closes the sending side as git does.
pub(super) async fn send<W: AsyncWrite + Unpin>(
    stream: &mut W,
    request: &[u8],
    mut pack: ComingPack,
    sent: &AtomicU64,
    watch: &(dyn Fn(PushEvent<'_>) + Send + Sync),
) -> Result<PackFigures, SendError> {
    write_counted(stream, request, sent).await.map_err(SendError::Stream)?;
    loop {
        match pack.pieces.recv().await {
            Some(Piece::Bytes { bytes, objects }) => {
                write_counted(stream, &bytes, sent).await.map_err(SendError::Stream)?;
                watch(PushEvent::Sent { objects, of: pack.objects, bytes: sent.load(Ordering::Relaxed) });
            }
            Some(Piece::End(Ok(figures))) => {
                stream.flush().await.map_err(SendError::Stream)?;
                stream.shutdown().await.map_err(SendError::Stream)?;
                return Ok(figures);
            }
            Some(Piece::End(Err(error))) => return Err(SendError::Pack(error)),
            None => return Err(SendError::Pack(PackError::BrokenOff)),
        }
    }
}

async fn write_counted<W: AsyncWrite + Unpin>(stream: &mut W, mut bytes: &[u8], sent: &AtomicU64) -> io::Result<()> {
    while !bytes.is_empty() {
        let taken = stream.write(bytes).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        sent.fetch_add(taken as u64, Ordering::Relaxed);
        bytes = &bytes[taken..];
    }
    Ok(())
}
