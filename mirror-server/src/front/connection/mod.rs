//! One connection: TLS where it is on, then HTTP/1.1 or HTTP/2, with a deadline for every wait.
//!
//! Never looks at a request; [`dispatch`](super::dispatch) answers it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::http::uri::Scheme;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificates;
use super::dispatch::Dispatcher;
use super::handlers::Handlers;
use super::http1_required::requires_http1;
use super::stall::StallDetector;
use super::write_timeout::WriteTimeout;
use crate::http::wire::{Queue, Stream};

/// How long the server waits for a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// For a TLS handshake.
    pub(super) handshake: Duration,
    /// From the end of an answer, or the beginning of the connection, to the end of the next request's head.
    pub(super) head: Duration,
    /// For a step of an answer to be taken.
    pub(super) stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(10), head: Duration::from_secs(30), stall: Duration::from_secs(30) }
    }
}

/// How much the head of a request may take.
const HEAD_BYTES: usize = 32 * 1024;
/// How many headers a request may have.
const HEADERS: usize = 64;
/// How many requests one HTTP/2 connection may have under way.
const STREAMS: u32 = 32;
/// How much of each answer may wait to be taken.
const WAITING_BYTES: usize = 128 * 1024;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Connections {
    dispatcher: Dispatcher,
    certificates: Option<Arc<Certificates>>,
    closing: CancellationToken,
    cut: CancellationToken,
    timeouts: Timeouts,
}

impl Connections {
    pub(super) fn new(
        handlers: Arc<Handlers>,
        certificates: Option<Arc<Certificates>>,
        closing: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        let scheme = if certificates.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let dispatcher = Dispatcher::new(handlers, scheme);
        Self { dispatcher, certificates, closing, cut, timeouts: Timeouts::default() }
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream) {
        // Answers are written whole; waiting for more would only delay their ends.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "cannot turn Nagle's algorithm off");
        }
        let Some(certificates) = &self.certificates else {
            let (stream, queue) = Stream::new(socket);
            return self.serve_http1(WriteTimeout::new(stream, self.timeouts.stall), Some(queue)).await;
        };
        let accepting = TlsAcceptor::from(certificates.config()).accept(WriteTimeout::new(socket, self.timeouts.stall));
        let stream = tokio::select! {
            accepted = tokio::time::timeout(self.timeouts.handshake, accepting) => match accepted {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            },
            () = self.closing.cancelled() => return,
        };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.serve_http2(stream).await,
            _ => self.serve_http1(stream, None).await,
        }
    }

    /// Speaks HTTP/1.1; with a queue, the stream sends parts of files by itself.
    async fn serve_http1<S>(&self, stream: S, queue: Option<Queue>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let service = service_fn(|request| {
            let answer = self.dispatcher.clone().answer(request, queue.clone(), None);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.timeouts.head);
        builder.max_headers(HEADERS).max_header_size(HEAD_BYTES);
        // Slices that stand for parts of files have to reach the stream as they are.
        builder.writev(true);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        log_end(ended);
    }

    /// Speaks HTTP/2.
    async fn serve_http2<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stalls = Arc::new(StallDetector::new());
        let dispatcher = self.dispatcher.clone();
        let service = service_fn({
            let stalls = Arc::clone(&stalls);
            move |request| {
                let (dispatcher, stalls) = (dispatcher.clone(), stalls.begin());
                async move {
                    if requires_http1(&request) {
                        tracing::debug!("turned a push of an old git to HTTP/1.1");
                        return Err(h2::Error::from(h2::Reason::HTTP_1_1_REQUIRED));
                    }
                    Ok(dispatcher.answer(request, None, Some(stalls)).await)
                }
            }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(HEAD_BYTES as u32);
        builder.keep_alive_interval(self.timeouts.stall).keep_alive_timeout(self.timeouts.stall);
        builder.max_send_buf_size(WAITING_BYTES);
        builder.initial_stream_window_size(1024 * 1024).initial_connection_window_size(4 * 1024 * 1024);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let stalled = async || {
            stalls.stalled(self.timeouts.stall).await;
            tracing::debug!("cut off a client that takes nothing");
        };
        let idle = tokio::select! {
            ended = connection.as_mut() => return log_end(ended),
            () = stalled() => return,
            () = self.closing.cancelled() => false,
            () = stalls.idle(self.timeouts.head) => true,
        };
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => log_end(ended),
            () = stalled() => {}
            () = self.cut.cancelled() => {}
            // Nothing is under way, but some answer may never have been taken to its end.
            () = tokio::time::sleep(self.timeouts.stall), if idle => {}
        }
    }
}

/// Logs a connection that did not end well, at debug level: the cause is the client, and there is nothing to act on.
fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::debug!(%error, cause, "a connection broke off");
    }
}

#[cfg(test)]
mod tests;
