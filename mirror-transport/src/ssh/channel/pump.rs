//! The task of one channel: it takes every message of the server, so that no kind of message can block another for ever.

use std::sync::Arc;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio_util::sync::CancellationToken;

use crate::ssh::guard::{Traces, one_line};

use super::error::ChannelError;
use super::inbox::{End, Over, Shared};

pub(super) struct Pump {
    pub(super) read: ChannelReadHalf,
    pub(super) write: ChannelWriteHalf<Msg>,
    pub(super) shared: Arc<Shared>,
    pub(super) traces: Arc<Traces>,
    pub(super) cut: CancellationToken,
}

/// Whether the channel goes on after a message.
enum Next {
    More,
    Closed,
}

impl Pump {
    /// Runs until the channel is closed, the connection is gone, or nobody is interested any more.
    pub(super) async fn run(mut self) {
        let cut = self.cut.clone();
        tokio::select! {
            () = cut.cancelled() => self.shared.end(End::Fault(self.shared.lost("the session was dropped".to_owned()))),
            () = self.take_all() => {}
        }
        self.shared.over.send_replace(Over::Ended);
        self.shared.lock().wake();
    }

    async fn take_all(&mut self) {
        loop {
            if self.shared.is_abandoned() {
                return self.close().await;
            }
            if self.shared.is_full() {
                self.shared.nudge.notified().await;
                continue;
            }
            tokio::select! {
                message = self.read.wait() => {
                    if let Next::Closed = take(&self.shared, &self.traces, message) {
                        return;
                    }
                }
                () = self.shared.nudge.notified() => {}
            }
        }
    }

    /// Closes the channel. Messages are taken meanwhile, so that the connection has room for the request.
    ///
    /// The server's own close is not waited for: it comes only when the remote program has ended, and the library drops it.
    async fn close(&mut self) {
        let Self { read, write, shared, traces, .. } = self;
        let drained = async { while let Next::More = take(shared, traces, read.wait().await) {} };
        tokio::select! {
            _ = write.close() => shared.end(End::Closed),
            () = drained => {}
        }
    }
}

fn take(shared: &Shared, traces: &Traces, message: Option<ChannelMsg>) -> Next {
    match message {
        Some(ChannelMsg::Data { data }) => shared.lock().push(data),
        Some(ChannelMsg::ExtendedData { data, ext: 1 }) => shared.lock().push_stderr(&data),
        Some(ChannelMsg::ExitStatus { exit_status }) => {
            shared.lock().exit.status = Some(exit_status);
        }
        Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
            shared.lock().exit.signal = Some(match signal_name {
                Sig::Custom(name) => one_line(&name),
                named => format!("{named:?}"),
            });
        }
        Some(ChannelMsg::Failure) => {
            shared.end(End::Fault(ChannelError::ExecRefused { target: shared.target.clone(), service: shared.service }))
        }
        Some(ChannelMsg::WindowAdjusted { .. }) => {
            shared.lock().moved = tokio::time::Instant::now();
        }
        Some(ChannelMsg::Eof) => shared.end(End::Eof),
        Some(ChannelMsg::Close) => {
            shared.end(End::Closed);
            return Next::Closed;
        }
        Some(_) => {}
        None => {
            let end = match shared.lock().end {
                Some(End::Closed) => End::Closed,
                _ => End::Fault(shared.lost(traces.reason())),
            };
            shared.end(end);
            return Next::Closed;
        }
    }
    Next::More
}
