//! What may go wrong before SSH begins: said on the bare TCP stream.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::fault::{Greeting, Misdeed, Phase};

/// The identification of the embedded host.
pub(super) const IDENTIFICATION: &str = "SSH-2.0-rig";

/// How the connection goes on.
pub(super) enum Greeted {
    /// SSH may begin.
    Properly,
    /// The connection is to be closed.
    Badly,
}

/// Does what is to be done wrong before SSH begins.
pub(super) async fn greet<S>(stream: &mut S, misdeeds: &[Misdeed]) -> Greeted
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for misdeed in misdeeds {
        // Whatever fails here fails because the client went away, which ends the connection as well.
        let _ = match misdeed {
            Misdeed::CloseAt(Phase::Accept) => Ok(()),
            Misdeed::CloseAt(Phase::Banner) => identify(stream).await,
            Misdeed::CloseAt(Phase::KeyExchange) => match identify(stream).await {
                Ok(()) => stream.read_u8().await.map(drop),
                Err(error) => Err(error),
            },
            Misdeed::Greet(greeting) => say(stream, greeting).await,
            _ => continue,
        };
        return Greeted::Badly;
    }
    Greeted::Properly
}

/// Exchanges identifications.
async fn identify<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> std::io::Result<()> {
    stream.write_all(format!("{IDENTIFICATION}\r\n").as_bytes()).await?;
    while stream.read_u8().await? != b'\n' {}
    Ok(())
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, greeting: &Greeting) -> std::io::Result<()> {
    match greeting {
        Greeting::Silence => {}
        Greeting::Bytes(bytes) => stream.write_all(bytes).await?,
        Greeting::EndlessLines => loop {
            stream.write_all(&b"the weather is fine today\r\n".repeat(64)).await?;
        },
        Greeting::EndlessLine => loop {
            stream.write_all(&[b'x'; 4096]).await?;
        },
    }
    // Listens until the client goes away.
    let mut ignored = [0; 4096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(())
}
