//! HTTP/2, without the TLS that brings it in.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};

use super::*;

struct Client {
    requests: SendRequest<Empty<Bytes>>,
    /// The server's side.
    served: JoinHandle<()>,
}

impl Client {
    /// Connects, and grants each answer so much before it has to be read.
    async fn connect(fixture: &Fixture, window: u32) -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connections = Arc::clone(&fixture.connections);
        let served = tokio::spawn(async move { connections.serve_http2(near).await });
        let (requests, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(far))
            .await
            .unwrap();
        // It ends when the server does.
        tokio::spawn(connection);
        Self { requests, served }
    }

    async fn get(&mut self, path: &str) -> Response<Incoming> {
        self.send("GET", path).await
    }

    async fn send(&mut self, method: &str, path: &str) -> Response<Incoming> {
        let uri = format!("http://mirror.example{path}");
        let request = Request::builder().method(method).uri(uri).body(Empty::new()).unwrap();
        self.requests.send_request(request).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_beside_each_other() {
    let fixture = Fixture::new();
    let mut client = Client::connect(&fixture, 65_535).await;
    let held = client.get("/nothing").await;
    let other = client.send("PUT", "/healthz").await;
    assert_eq!((held.status().as_u16(), other.status().as_u16()), (404, 405));
    assert_eq!(other.headers()["allow"], "GET, HEAD");
    let text = held.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"there is nothing here"), "{text:?}");

    let head = client.send("HEAD", "/nothing").await;
    assert_eq!(head.headers()["content-length"], text.len().to_string());
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_nothing_ends() {
    let fixture = Fixture::new();
    let mut client = Client::connect(&fixture, 65_535).await;
    client.get("/nothing").await.into_body().collect().await.unwrap();
    let begun = Instant::now();
    client.served.await.unwrap();
    assert_eq!(begun.elapsed(), fixture.connections.timeouts.head);
}

/// Pings are answered all the while: only the stream stands still.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_never_taken_ends_the_connection() {
    let fixture = Fixture::new();
    let mut client = Client::connect(&fixture, 8).await;
    let begun = Instant::now();
    let untaken = client.get("/nothing").await;
    client.served.await.unwrap();
    assert!(begun.elapsed() <= fixture.connections.timeouts.stall * 3, "{:?}", begun.elapsed());
    assert!(untaken.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_ending_server_says_so_and_ends() {
    let fixture = Fixture::new();
    let mut client = Client::connect(&fixture, 65_535).await;
    client.get("/nothing").await.into_body().collect().await.unwrap();
    let begun = Instant::now();
    fixture.closing.cancel();
    client.served.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}
