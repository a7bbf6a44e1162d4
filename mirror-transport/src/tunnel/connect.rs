//! The CONNECT conversation on a stream that is open already.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout_at};

use super::address::{HostPort, ProxyAddr};
use super::answer::{Answer, MAX_HEADER, MAX_LINES, read_answer};
use super::credentials::ProxyCredentials;
use super::error::TunnelError;

/// Carries bytes to the target; what arrived behind the proxy's header is read first.
#[derive(Debug)]
pub struct Tunnel<S> {
    stream: S,
    ahead: Bytes,
}

impl<S> Tunnel<S> {
    pub(super) fn direct(stream: S) -> Self {
        Self { stream, ahead: Bytes::new() }
    }

    /// Tells how many bytes arrived behind the header and are not read yet.
    pub fn bytes_ahead(&self) -> usize {
        self.ahead.len()
    }
}

/// Asks the proxy at the other end of `stream` for a tunnel to `target`, within `limit`.
///
/// # Errors
/// Each class of answer, and each way to have none, is a [`TunnelError`] of its own.
///
/// # Source
/// RFC 9110 §9.3.6 (CONNECT), RFC 7617 (Basic).
pub async fn open_tunnel<S>(
    mut stream: S,
    proxy: &ProxyAddr,
    credentials: Option<&ProxyCredentials>,
    target: &HostPort,
    limit: Duration,
) -> Result<Tunnel<S>, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let silent = |_| TunnelError::ProxySilent { proxy: proxy.clone(), target: target.clone(), after: limit };
    let conversation = converse(&mut stream, proxy, credentials, target);
    let ahead = timeout_at(Instant::now() + limit, conversation).await.map_err(silent)??;
    Ok(Tunnel { stream, ahead })
}

async fn converse<S>(
    stream: &mut S,
    proxy: &ProxyAddr,
    credentials: Option<&ProxyCredentials>,
    target: &HostPort,
) -> Result<Bytes, TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let lost = |source| TunnelError::ProxyLost { proxy: proxy.clone(), target: target.clone(), source };
    send_request(stream, credentials, target).await.map_err(lost)?;
    let mut received = BytesMut::with_capacity(1024);
    loop {
        match read_answer(&received) {
            Answer::Incomplete => {
                // Never past the bound, so that an endless header costs no more than the bound.
                let room = (MAX_HEADER - received.len()) as u64;
                let count = (&mut *stream).take(room).read_buf(&mut received).await;
                if count.map_err(lost)? == 0 {
                    return Err(TunnelError::ProxyClosed {
                        proxy: proxy.clone(),
                        target: target.clone(),
                        received: received.len(),
                    });
                }
            }
            Answer::Whole { length, status, .. } if (100..200).contains(&status) => {
                received.advance(length);
            }
            Answer::Whole { length, status, .. } if (200..300).contains(&status) => {
                received.advance(length);
                return Ok(received.freeze());
            }
            Answer::Whole { status, reason, .. } => {
                let reason = blotted(credentials, reason);
                return Err(refusal(status, reason, proxy, target, credentials));
            }
            Answer::TooLong => {
                return Err(TunnelError::HeaderTooLong {
                    proxy: proxy.clone(),
                    target: target.clone(),
                    limit: MAX_HEADER,
                    lines: MAX_LINES,
                });
            }
            Answer::NotHttp(seen) => {
                return Err(TunnelError::NotHttp {
                    proxy: proxy.clone(),
                    target: target.clone(),
                    seen: blotted(credentials, seen),
                });
            }
        }
    }
}

async fn send_request<S: AsyncWrite + Unpin>(
    stream: &mut S,
    credentials: Option<&ProxyCredentials>,
    target: &HostPort,
) -> io::Result<()> {
    let mut request = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: git-mirror/{}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(credentials) = credentials {
        request.push_str("Proxy-Authorization: ");
        request.push_str(credentials.header_value().expose_secret());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await
}

fn refusal(
    status: u16,
    reason: String,
    proxy: &ProxyAddr,
    target: &HostPort,
    credentials: Option<&ProxyCredentials>,
) -> TunnelError {
    let (proxy, target) = (proxy.clone(), target.clone());
    match status {
        407 if credentials.is_some() => TunnelError::ProxyAuthRefused { proxy, target },
        407 => TunnelError::ProxyAuthRequired { proxy, target },
        403 => TunnelError::ProxyForbidden { proxy, target, reason },
        500.. => TunnelError::ProxyUpstream { proxy, target, status, reason },
        _ => TunnelError::ProxyRefused { proxy, target, status, reason },
    }
}

fn blotted(credentials: Option<&ProxyCredentials>, text: String) -> String {
    match credentials {
        Some(credentials) => credentials.blot(&text),
        None => text,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tunnel<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.has_remaining() {
            let count = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tunnel<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
