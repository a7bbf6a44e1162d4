//! What a channel's task and its streams share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::tunnel::HostPort;

use super::error::{ChannelError, Waiting};
use super::remote::Exit;

/// How much of the server's output waits for its reader before the connection is held back.
pub(super) const MAX_QUEUED: usize = 2 * 1024 * 1024;
/// How much of the server's standard error is kept.
pub(super) const MAX_STDERR: usize = 64 * 1024;

/// Shared by one channel's task, reader, writer and remote.
pub(super) struct Shared {
    pub(super) target: HostPort,
    pub(super) service: &'static str,
    pub(super) idle: Duration,
    /// Wakes the task: there is room again, or a stream was dropped.
    pub(super) nudge: Notify,
    /// Turns true when the task has seen the end of the channel.
    pub(super) over: watch::Sender<Over>,
    inbox: Mutex<Inbox>,
}

/// Says whether a channel is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Running,
    Ended,
}

pub(super) struct Inbox {
    pub(super) queue: VecDeque<Bytes>,
    pub(super) queued: usize,
    pub(super) stderr: Vec<u8>,
    pub(super) stderr_dropped: u64,
    pub(super) exit: Exit,
    pub(super) end: Option<End>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) streams: Streams,
    pub(super) moved: Instant,
}

/// How the server's output ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It said that no more comes; the channel may still take bytes.
    Eof,
    /// The channel is closed.
    Closed,
    /// It broke.
    Fault(ChannelError),
}

/// Which of the two streams are still held by somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Streams {
    pub(super) reader_dropped: bool,
    pub(super) writer_dropped: bool,
}

impl Shared {
    pub(super) fn new(target: HostPort, service: &'static str, idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            target,
            service,
            idle,
            nudge: Notify::new(),
            over: watch::Sender::new(Over::Running),
            inbox: Mutex::new(Inbox {
                queue: VecDeque::new(),
                queued: 0,
                stderr: Vec::new(),
                stderr_dropped: 0,
                exit: Exit::default(),
                end: None,
                reader: None,
                writer: None,
                streams: Streams::default(),
                moved: Instant::now(),
            }),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stalled(&self, waiting: Waiting) -> ChannelError {
        ChannelError::Stalled { target: self.target.clone(), service: self.service, waiting, after: self.idle }
    }

    pub(super) fn lost(&self, reason: String) -> ChannelError {
        ChannelError::Lost { target: self.target.clone(), service: self.service, reason }
    }

    /// Tells whether the task must wait for the reader.
    pub(super) fn is_full(&self) -> bool {
        let inbox = self.lock();
        inbox.queued >= MAX_QUEUED && !inbox.streams.reader_dropped
    }

    /// Tells whether nobody holds either stream any more.
    pub(super) fn is_abandoned(&self) -> bool {
        let streams = self.lock().streams;
        streams.reader_dropped && streams.writer_dropped
    }

    /// Remembers the end, unless a fault is known already, and wakes whoever waits.
    pub(super) fn end(&self, end: End) {
        let mut inbox = self.lock();
        if !matches!(inbox.end, Some(End::Fault(_))) {
            inbox.end = Some(end);
        }
        inbox.wake();
    }
}

impl Inbox {
    pub(super) fn push(&mut self, data: Bytes) {
        self.moved = Instant::now();
        if self.streams.reader_dropped || data.is_empty() {
            return;
        }
        self.queued += data.len();
        self.queue.push_back(data);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn push_stderr(&mut self, data: &[u8]) {
        self.moved = Instant::now();
        let room = MAX_STDERR.saturating_sub(self.stderr.len());
        let (kept, dropped) = data.split_at(room.min(data.len()));
        self.stderr.extend_from_slice(kept);
        self.stderr_dropped += dropped.len() as u64;
    }

    pub(super) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Arc<Shared> {
        Shared::new(HostPort::new("git.example", 22), "git-upload-pack", Duration::from_secs(1))
    }

    #[test]
    fn the_inbox_is_full_at_its_bound_and_never_for_a_reader_that_is_gone() {
        let shared = shared();
        let packet = Bytes::from(vec![0; 32 * 1024]);
        let mut packets = 0;
        while !shared.is_full() {
            shared.lock().push(packet.clone());
            packets += 1;
        }
        assert_eq!(packets * packet.len(), MAX_QUEUED);
        shared.lock().streams.reader_dropped = true;
        assert!(!shared.is_full());
        shared.lock().push(packet.clone());
        assert_eq!(shared.lock().queued, MAX_QUEUED, "nothing is kept for a reader that is gone");
    }

    #[test]
    fn standard_error_is_kept_up_to_its_bound_and_counted_beyond() {
        let shared = shared();
        for _ in 0..3 {
            shared.lock().push_stderr(&[b'e'; MAX_STDERR / 2 + 1]);
        }
        let inbox = shared.lock();
        assert_eq!(inbox.stderr.len(), MAX_STDERR);
        assert_eq!(inbox.stderr_dropped, (MAX_STDERR / 2 + 3) as u64);
    }

    #[test]
    fn a_fault_is_not_forgotten_for_a_later_end() {
        let shared = shared();
        let fault = End::Fault(shared.lost("cut".to_owned()));
        shared.end(fault.clone());
        shared.end(End::Closed);
        assert_eq!(shared.lock().end, Some(fault));
    }
}
