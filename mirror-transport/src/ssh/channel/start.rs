//! Starting a Git service on a channel that is open.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use russh::Channel;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::ssh::guard::Traces;
use crate::tunnel::HostPort;

use super::error::ChannelError;
use super::inbox::Shared;
use super::pump::Pump;
use super::reader::GitReader;
use super::remote::{Exit, Remote, Stderr};
use super::service::{Protocol, Service};
use super::writer::GitWriter;

/// What is to run on a channel.
pub(in crate::ssh) struct Start<'a> {
    pub(in crate::ssh) service: Service,
    pub(in crate::ssh) path: &'a str,
    pub(in crate::ssh) protocol: Option<Protocol>,
    pub(in crate::ssh) first_bytes: Vec<u8>,
}

/// Holds both streams of one Git service on the server.
#[derive(Debug)]
pub struct GitChannel {
    reader: GitReader,
    writer: GitWriter,
    remote: Remote,
}

impl GitChannel {
    pub(in crate::ssh) async fn start(
        channel: Channel<Msg>,
        start: Start<'_>,
        target: HostPort,
        idle: Duration,
        traces: Arc<Traces>,
        cut: CancellationToken,
    ) -> io::Result<Self> {
        let shared = Shared::new(target, start.service.program(), idle);
        let (read, write) = channel.split();
        let gone = |_| io::Error::from(shared.lost(traces.reason()));
        if let Some(protocol) = start.protocol {
            write.set_env(false, "GIT_PROTOCOL", protocol.variable()).await.map_err(gone)?;
        }
        write.exec(true, start.service.command(start.path)).await.map_err(gone)?;
        let mut writer = GitWriter::new(shared.clone(), Box::pin(write.make_writer()));
        let reader = GitReader::new(shared.clone());
        let pump = Pump { read, write, shared: shared.clone(), traces, cut };
        tokio::spawn(pump.run());
        writer.write_all(&start.first_bytes).await?;
        Ok(Self { reader, writer, remote: Remote::new(shared) })
    }

    /// Gives the two streams and the watch over the remote program.
    pub fn split(self) -> (GitReader, GitWriter, Remote) {
        (self.reader, self.writer, self.remote)
    }

    /// Gives a watch over the remote program.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Gives what the program printed on standard error so far.
    pub fn stderr(&self) -> Stderr {
        self.remote.stderr()
    }

    /// Waits for the end of the remote program; see [`Remote::exit`].
    ///
    /// # Errors
    /// As for [`Remote::exit`].
    pub async fn exit(&self) -> Result<Exit, ChannelError> {
        self.remote.exit().await
    }
}

impl AsyncRead for GitChannel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().reader).poll_read(cx, buf)
    }
}

impl AsyncWrite for GitChannel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().writer).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writer).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writer).poll_shutdown(cx)
    }
}
