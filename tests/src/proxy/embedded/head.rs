//! The request of a client, and the answers to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt};

/// No client sends longer requests.
const LONGEST: usize = 16 * 1024;

/// A request as far as a proxy cares.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The first line.
    pub(super) line: String,
    /// `host:port`, where the request is a CONNECT.
    pub(super) target: Option<String>,
    /// The user and password of the request.
    pub(super) credentials: Option<String>,
    /// What was read behind the header.
    pub(super) rest: Vec<u8>,
}

/// Reads a request; nothing where the client went away or sends no header that ends.
pub(super) async fn read<R: AsyncRead + Unpin>(stream: &mut R) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > LONGEST || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let rest = bytes.split_off(end + 4);
    Some(parse(&String::from_utf8_lossy(&bytes), rest))
}

fn parse(head: &str, rest: Vec<u8>) -> Request {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let target =
        line.strip_prefix("CONNECT ").and_then(|words| words.split_once(' ')).map(|(target, _)| target.to_owned());
    let basic = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let token = value.trim().strip_prefix("Basic ")?;
        let decoded = name.eq_ignore_ascii_case("proxy-authorization").then(|| STANDARD.decode(token).ok())??;
        String::from_utf8(decoded).ok()
    };
    let credentials = lines.find_map(basic);
    Request { line, target, credentials, rest }
}

/// The answer that opens a tunnel.
pub(super) const OPEN: &[u8] = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: rig\r\n\r\n";

/// The answer that refuses one.
pub(super) fn refusal(status: u16) -> Vec<u8> {
    let (reason, header) = match status {
        403 => ("Forbidden", ""),
        407 => ("Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"rig\"\r\n"),
        502 => ("Bad Gateway", ""),
        503 => ("Service Unavailable", "Retry-After: 1\r\n"),
        504 => ("Gateway Timeout", ""),
        _ => ("Refused", ""),
    };
    let body = format!("<html><body><h1>{status} {reason}</h1></body></html>\r\n");
    format!(
        "HTTP/1.1 {status} {reason}\r\n{header}Content-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_gives_its_target_and_credentials() {
        let head = "CONNECT host:22 HTTP/1.1\r\nHost: host:22\r\nproxy-authorization: Basic YWRhOnM6ZWNyZXQ=";
        let request = parse(head, b"SSH".to_vec());
        assert_eq!(request.target.as_deref(), Some("host:22"));
        assert_eq!(request.credentials.as_deref(), Some("ada:s:ecret"));
        assert_eq!(request.rest, b"SSH");
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: x", Vec::new()).target, None);
    }
}
