//! An arbitrary proxy: a tunnel is opened only behind a header that says so, not a byte behind it is lost, and no secret comes back in words.

#![no_main]

use std::time::Duration;

use git_mirror_fuzz::error::assert_presentable;
use git_mirror_fuzz::peer::{Peer, run};
use libfuzzer_sys::fuzz_target;
use mirror_core::fault::Fault;
use mirror_transport::tunnel::{HostPort, ProxyAddr, ProxyCredentials, TunnelError, open_tunnel};
use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;

/// A password, and the header in which it stands.
const SECRET: &str = "hunter2";
const HEADER: &str = "dXNlcjpodW50ZXIy";

fuzz_target!(|input: (u16, &[u8])| {
    let (piece, bytes) = input;
    match run(connect(bytes, piece.into())) {
        Ok(rest) => {
            let header = bytes.strip_suffix(rest.as_slice()).expect("because what is read is the end of what was said");
            assert!(header.starts_with(b"HTTP/1.") && header.ends_with(b"\n"), "{}", header.escape_ascii());
            assert!(header.windows(2).any(|two| two == b" 2"), "no success in {}", header.escape_ascii());
        }
        Err(error) => {
            assert_presentable(&error);
            let text = format!("{} {error:?}", Fault::of(&error));
            assert!(!text.contains(SECRET) && !text.contains(HEADER), "{text}");
        }
    }
});

async fn connect(bytes: &[u8], piece: usize) -> Result<Vec<u8>, TunnelError> {
    let credentials =
        ProxyCredentials::parse(SecretString::from(format!("user:{SECRET}"))).expect("because it has the form");
    let (proxy, target) = (ProxyAddr::new("proxy.example", 3128), HostPort::new("ssh.github.com", 443));
    let stream = Peer::in_pieces(bytes, piece);
    let mut tunnel = open_tunnel(stream, &proxy, Some(&credentials), &target, Duration::from_secs(3600)).await?;
    let mut rest = Vec::new();
    tunnel.read_to_end(&mut rest).await.expect("because the peer never fails");
    Ok(rest)
}
