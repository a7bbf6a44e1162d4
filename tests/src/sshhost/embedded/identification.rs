//! The exchange of identifications (RFC 4253 §4.2) and its faults, on the bare TCP stream.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::fault::{HostFault, IdentificationFault, Phase};

/// The identification of the embedded host.
pub(super) const IDENTIFICATION: &str = "SSH-2.0-rig";

/// How the connection goes on.
pub(super) enum Exchange {
    /// SSH may begin.
    Continue,
    /// The connection is to be closed.
    Close,
}

/// Performs the faults that come before the key exchange.
pub(super) async fn exchange<S>(stream: &mut S, faults: &[HostFault]) -> Exchange
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for fault in faults {
        // An error here means that the client disconnected, which ends the connection as well.
        let _ = match fault {
            HostFault::CloseAt(Phase::Accept) => Ok(()),
            HostFault::CloseAt(Phase::Identification) => identify(stream).await,
            HostFault::CloseAt(Phase::KeyExchange) => match identify(stream).await {
                Ok(()) => stream.read_u8().await.map(drop),
                Err(error) => Err(error),
            },
            HostFault::Identification(fault) => send(stream, fault).await,
            _ => continue,
        };
        return Exchange::Close;
    }
    Exchange::Continue
}

/// Exchanges identifications.
async fn identify<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> std::io::Result<()> {
    stream.write_all(format!("{IDENTIFICATION}\r\n").as_bytes()).await?;
    while stream.read_u8().await? != b'\n' {}
    Ok(())
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, fault: &IdentificationFault) -> std::io::Result<()> {
    match fault {
        IdentificationFault::Silence => {}
        IdentificationFault::Bytes(bytes) => stream.write_all(bytes).await?,
        IdentificationFault::EndlessLines => loop {
            stream.write_all(&b"a line before the identification\r\n".repeat(64)).await?;
        },
        IdentificationFault::EndlessLine => loop {
            stream.write_all(&[b'x'; 4096]).await?;
        },
    }
    // Reads until the client disconnects.
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}
