//! The tunnel against scripted proxies: every class of answer, the bounds, the deadlines, and which sockets are opened.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::time::Duration;

use mirror_core::fault::{Classified as _, FaultClass, Retry};
use mirror_transport::tunnel::{
    Deadlines, HostPort, NoSteps, ProxyAddr, ProxyCredentials, Step, Steps, TunnelError, dial, open_tunnel,
};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpSocket};

/// No proxy that answers takes as long, on whatever machine.
const LIMIT: Duration = Duration::from_secs(30);

fn proxy() -> ProxyAddr {
    ProxyAddr::new("proxy.example", 10808)
}

/// A port at which nobody listens, and that nobody else gets while the socket lives.
fn closed_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn target() -> HostPort {
    HostPort::new("ssh.github.com", 443)
}

fn credentials() -> ProxyCredentials {
    ProxyCredentials::parse(SecretString::from("user:hunter2")).unwrap()
}

/// Reads a request up to its empty line.
async fn read_request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(text).unwrap())
}

/// Plays a proxy that sends `answer` and then closes.
async fn ask(answer: &[u8], credentials: Option<&ProxyCredentials>) -> Result<Vec<u8>, TunnelError> {
    let (client, mut server) = duplex(64 * 1024);
    let answer = answer.to_vec();
    let played = tokio::spawn(async move {
        read_request(&mut server).await.unwrap();
        let _ = server.write_all(&answer).await;
    });
    let result = match open_tunnel(client, &proxy(), credentials, &target(), LIMIT).await {
        Ok(mut tunnel) => {
            let mut rest = Vec::new();
            tunnel.read_to_end(&mut rest).await.unwrap();
            Ok(rest)
        }
        Err(error) => Err(error),
    };
    played.await.unwrap();
    result
}

#[tokio::test]
async fn bytes_behind_the_header_belong_to_the_stream() {
    for header in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\nVia: 1.0 tinyproxy\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let answer = format!("{header}SSH-2.0-server\r\n\x00\x01");
        let rest = ask(answer.as_bytes(), None).await.unwrap();
        assert_eq!(rest, b"SSH-2.0-server\r\n\x00\x01", "{header}");
    }
}

#[tokio::test]
async fn the_request_names_the_target_and_carries_the_credentials() {
    let (client, mut server) = duplex(4096);
    let asked = tokio::spawn(async move {
        let request = read_request(&mut server).await.unwrap();
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        request
    });
    let target = HostPort::new("2001:db8::1", 22);
    open_tunnel(client, &proxy(), Some(&credentials()), &target, LIMIT).await.unwrap();
    let request = asked.await.unwrap();
    assert!(request.starts_with("CONNECT [2001:db8::1]:22 HTTP/1.1\r\nHost: [2001:db8::1]:22\r\n"));
    assert!(request.contains("\r\nProxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n"));
}

#[tokio::test]
async fn each_answer_class_is_an_error_of_its_own() {
    let with = credentials();
    let cases: &[(&str, Option<&ProxyCredentials>, &str, Retry)] = &[
        ("HTTP/1.1 407 Auth\r\n\r\n", None, "mirror::tunnel::proxy_auth", Retry::Never),
        ("HTTP/1.1 407 Auth\r\n\r\n", Some(&with), "mirror::tunnel::proxy_auth_refused", Retry::Never),
        ("HTTP/1.0 403 Access violation\r\n\r\n", None, "mirror::tunnel::proxy_forbidden", Retry::Never),
        ("HTTP/1.1 404 Not Found\r\n\r\n", None, "mirror::tunnel::proxy_refused", Retry::Never),
        ("HTTP/1.1 302 Login here\r\n\r\n", None, "mirror::tunnel::proxy_refused", Retry::Never),
        ("HTTP/1.1 429 Slow down\r\n\r\n", None, "mirror::tunnel::proxy_refused", Retry::Backoff),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", None, "mirror::tunnel::proxy_upstream", Retry::Backoff),
        ("HTTP/1.1 503 Full\r\n\r\n", None, "mirror::tunnel::proxy_upstream", Retry::Backoff),
        ("HTTP/1.1 504 Timeout\r\n\r\n", None, "mirror::tunnel::proxy_upstream", Retry::Backoff),
        ("HTTP/1.1 501 No CONNECT\r\n\r\n", None, "mirror::tunnel::proxy_upstream", Retry::Never),
        ("SSH-2.0-OpenSSH_9.2\r\n", None, "mirror::tunnel::not_http", Retry::Never),
        ("HTTP/1.1 ", None, "mirror::tunnel::proxy_closed", Retry::Backoff),
        ("", None, "mirror::tunnel::proxy_closed", Retry::Backoff),
    ];
    for (answer, credentials, code, retry) in cases {
        let error = ask(answer.as_bytes(), *credentials).await.unwrap_err();
        assert_eq!(miette::Diagnostic::code(&error).unwrap().to_string(), *code, "{answer}");
        assert_eq!(error.retry(), *retry, "{answer}");
        assert_eq!(error.class(), FaultClass::Upstream);
        let text = error.to_string();
        assert!(text.contains("http://proxy.example:10808"), "{text}");
        assert!(text.contains("ssh.github.com:443"), "{text}");
        assert!(miette::Diagnostic::help(&error).is_some());
    }
}

#[tokio::test]
async fn endless_headers_are_cut_at_the_bound() {
    let long = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 32 * 1024]].concat();
    let many = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(200)].concat();
    for answer in [long, many] {
        let error = ask(&answer, None).await.unwrap_err();
        assert!(matches!(error, TunnelError::HeaderTooLong { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_secret_that_the_proxy_echoes_is_blotted_out() {
    for answer in [
        "HTTP/1.1 403 no user:hunter2 dXNlcjpodW50ZXIy\r\n\r\n",
        "HTTP/1.1 502 hunter2\r\n\r\n",
        "Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n\r\n",
    ] {
        let error = ask(answer.as_bytes(), Some(&credentials())).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && !text.contains("dXNlcjpodW50ZXIy"), "{text}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    for answer in ["", "HTTP/1.1 200 OK\r\n"] {
        let (client, mut server): (_, DuplexStream) = duplex(4096);
        server.write_all(answer.as_bytes()).await.unwrap();
        let limit = Duration::from_millis(50);
        let error = open_tunnel(client, &proxy(), None, &target(), limit).await.unwrap_err();
        assert!(matches!(error, TunnelError::ProxySilent { after, .. } if after == limit), "{error}");
        assert_eq!(error.retry(), Retry::Backoff);
    }
}

#[derive(Default)]
struct Heard(Vec<(Step, Option<String>)>);

impl Steps for Heard {
    fn began(&mut self, step: Step) {
        self.0.push((step, None));
    }
    fn passed(&mut self, step: Step, detail: String) {
        self.0.push((step, Some(detail)));
    }
}

/// I9: with a proxy configured, no socket is opened to anything but that proxy, and the target's name is not even resolved here.
#[tokio::test]
async fn i9_only_the_proxy_is_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
        request
    });
    // A name that no resolver knows (RFC 6761), so that resolving it would fail.
    let target = HostPort::new("upstream.invalid", 443);
    let mut heard = Heard::default();
    let proxy = ProxyAddr::new("127.0.0.1", port);
    let mut tunnel = dial(Some(&proxy), None, &target, &Deadlines::default(), &mut heard).await.unwrap();
    let mut text = String::new();
    tunnel.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello");
    assert!(served.await.unwrap().starts_with("CONNECT upstream.invalid:443 "));
    let steps: Vec<_> = heard.0.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Resolve, Step::Resolve, Step::Tcp, Step::Tcp, Step::Connect, Step::Connect]);
    assert!(heard.0[3].1.as_ref().unwrap().contains(&format!("127.0.0.1:{port}")));
}

/// I9: a proxy that fails is not gone around.
#[tokio::test]
async fn i9_there_is_no_fallback_around_a_proxy() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = HostPort::new("127.0.0.1", upstream.local_addr().unwrap().port());
    let (_closed, port) = closed_port();
    let proxy = ProxyAddr::new("127.0.0.1", port);
    let error = dial(Some(&proxy), None, &target, &Deadlines::default(), &mut NoSteps).await.unwrap_err();
    assert!(matches!(error, TunnelError::ProxyUnreachable { .. }), "{error}");
    let nobody = tokio::time::timeout(Duration::ZERO, upstream.accept()).await;
    assert!(nobody.is_err(), "nothing may have connected to upstream");
}

#[tokio::test]
async fn names_that_do_not_resolve() {
    let limits = Deadlines::default();
    let error =
        dial(Some(&ProxyAddr::new("proxy.invalid", 1)), None, &target(), &limits, &mut NoSteps).await.unwrap_err();
    assert!(matches!(error, TunnelError::ProxyName { .. }), "{error}");
    let target = HostPort::new("upstream.invalid", 22);
    let error = dial(None, None, &target, &limits, &mut NoSteps).await.unwrap_err();
    assert!(matches!(error, TunnelError::TargetName { .. }), "{error}");
}

#[tokio::test]
async fn a_direct_road_is_plain_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut heard = Heard::default();
    let target = HostPort::new("localhost", port);
    let tunnel = dial(None, None, &target, &Deadlines::default(), &mut heard).await.unwrap();
    assert_eq!(tunnel.bytes_ahead(), 0);
    assert!(heard.0.iter().all(|(step, _)| *step != Step::Connect));
    let (_closed, port) = closed_port();
    let target = HostPort::new("127.0.0.1", port);
    let error = dial(None, None, &target, &Deadlines::default(), &mut NoSteps).await.unwrap_err();
    assert!(matches!(error, TunnelError::TargetUnreachable { .. }), "{error}");
}
