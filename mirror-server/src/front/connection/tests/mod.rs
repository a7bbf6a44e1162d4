use mirror_core::config::Serve;
use mirror_store::git::GitProgram;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::assembly::Assembly;
use crate::auth::TokenAuthority;
use crate::plan::ServePlan;
use crate::testing::{self, MAIN};

mod http2;

/// A server without sockets.
struct Fixture {
    connections: Arc<Connections>,
    closing: CancellationToken,
    cut: CancellationToken,
    _folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = testing::node(folder.path(), "", &[MAIN]);
        let plan = ServePlan { node, serve: Serve::local(), listen: None, inherited: Vec::new() };
        let authority = Arc::new(TokenAuthority::open(None).unwrap());
        let handlers = Assembly::of(&plan, authority, GitProgram::find().unwrap()).handlers;
        let (closing, cut) = (CancellationToken::new(), CancellationToken::new());
        let connections = Arc::new(Connections::new(handlers, None, closing.clone(), cut.clone()));
        Self { connections, closing, cut, _folder: folder }
    }

    /// A client's end of a connection, whose buffers hold so much.
    fn connect_with(&self, buffer: usize) -> Client {
        let (near, far) = tokio::io::duplex(buffer);
        let connections = Arc::clone(&self.connections);
        let task = tokio::spawn(async move {
            let stall = connections.timeouts.stall;
            connections.serve_http1(WriteTimeout::new(near, stall), None).await;
        });
        Client { stream: far, task }
    }

    fn connect(&self) -> Client {
        self.connect_with(64 * 1024)
    }
}

struct Client {
    stream: DuplexStream,
    task: JoinHandle<()>,
}

impl Client {
    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until the server closes.
    async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        self.task.await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Sends a last request, whole, and reads all answers.
    async fn ask(mut self, text: &str) -> String {
        self.send(text).await;
        self.rest().await
    }
}

fn statuses(answers: &str) -> Vec<u16> {
    answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()).collect()
}

const LAST: &str = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn errors_keep_the_connection_and_say_what_they_are() {
    let fixture = Fixture::new();
    let answers = fixture
        .connect()
        .ask(&format!(
            "PUT /healthz HTTP/1.1\r\nHost: x\r\n\r\n\
             GET /app.git/HEAD HTTP/1.1\r\nHost: x\r\n\r\n\
             POST /app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n0000\
             GET /other.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-7\r\n\r\n{LAST}"
        ))
        .await;
    assert_eq!(statuses(&answers), [405, 403, 415, 404, 404], "{answers}");
    let lower = answers.to_lowercase();
    for expected in ["allow: get, head", "x-request-id: mine-7", "x-content-type-options: nosniff", "smart http"] {
        assert!(lower.contains(expected), "{expected}: {answers}");
    }
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_like_get_without_its_body() {
    let fixture = Fixture::new();
    let get = fixture.connect().ask(LAST).await;
    let head = fixture.connect().ask(&LAST.replace("GET", "HEAD")).await;
    let length = |answer: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix("content-length: ").map(ToOwned::to_owned));
        line.and_then(|line| line.parse::<usize>().ok())
    };
    assert_eq!(statuses(&head), statuses(&get));
    assert!(length(&get).is_some_and(|length| length > 0), "{get}");
    assert_eq!(length(&head), length(&get), "{head}");
    assert!(head.ends_with("\r\n\r\n") && !get.ends_with("\r\n\r\n"), "{head}");
}

/// What could be read as two requests by one and as one by another is refused, and nothing behind it is read.
#[tokio::test(start_paused = true)]
async fn what_could_smuggle_is_refused_and_ends_the_connection() {
    let fixture = Fixture::new();
    let post = "POST /app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\n\
                Content-Type: application/x-git-upload-pack-request\r\n";
    let cases = [
        "Content-Length: 4\r\nContent-Length: 5\r\n\r\n0000",
        "Content-Length: 4, 5\r\n\r\n0000",
        "Content-Length: +4\r\n\r\n0000",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 99999999999999999999999\r\n\r\n",
        "Content-Length : 4\r\n\r\n0000",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n0000\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n-1\r\n0000\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\n00000\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n0000\r\n0\r\n\r\n",
        "X: y\r\n Content-Length: 4\r\n\r\n0000",
        "X\0Y: z\r\n\r\n",
        "\r\rX: y\r\n\r\n",
    ];
    for case in cases {
        let answers = fixture.connect().ask(&format!("{post}{case}{LAST}")).await;
        let seen = statuses(&answers);
        assert!(seen.len() <= 1 && seen.iter().all(|status| (400..500).contains(status)), "{case:?}: {answers}");
    }
    // Both lengths at once: the chunks count (RFC 9112, 6.3), and what follows is not read as another request.
    let both = format!("{post}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0000\r\n0\r\n\r\n{LAST}");
    let answers = fixture.connect().ask(&both).await;
    assert_eq!(statuses(&answers).len(), 1, "{answers}");
}

#[tokio::test(start_paused = true)]
async fn heads_that_never_end_are_bounded() {
    let fixture = Fixture::new();
    let many = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let long = format!("X: {}\r\n", "y".repeat(40_000));
    let target = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(40_000));
    for head in [format!("GET / HTTP/1.1\r\n{many}\r\n"), format!("GET / HTTP/1.1\r\n{long}\r\n"), target] {
        let answers = fixture.connect_with(1024 * 1024).ask(&head).await;
        assert_eq!(statuses(&answers), [431], "{answers}");
    }
    // A path that fits a head and no path.
    let longish = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(8000));
    assert_eq!(statuses(&fixture.connect().ask(&longish).await), [414]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_cut_at_its_deadline() {
    let fixture = Fixture::new();
    let begun = Instant::now();
    let mut client = fixture.connect();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n").await;
    let (mut reading, mut writing) = tokio::io::split(client.stream);
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    let mut answer = Vec::new();
    reading.read_to_end(&mut answer).await.unwrap();
    client.task.await.unwrap();
    assert_eq!(begun.elapsed(), fixture.connections.timeouts.head);
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_ends() {
    let fixture = Fixture::new();
    let begun = Instant::now();
    assert_eq!(fixture.connect().rest().await, "");
    assert_eq!(begun.elapsed(), fixture.connections.timeouts.head);

    // And one that was used.
    let begun = Instant::now();
    let answers = fixture.connect().ask(&LAST.replace("Connection: close\r\n", "")).await;
    assert_eq!(statuses(&answers), [404]);
    assert_eq!(begun.elapsed(), fixture.connections.timeouts.head);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut() {
    let fixture = Fixture::new();
    let mut client = fixture.connect_with(64);
    let begun = Instant::now();
    client.send("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.task.await.unwrap();
    assert_eq!(begun.elapsed(), fixture.connections.timeouts.stall);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_cut_and_told() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client
        .send(
            "POST /app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\
             Content-Type: application/x-git-upload-pack-request\r\n\r\n0011command=ls-refs",
        )
        .await;
    let answer = client.rest().await;
    assert_eq!(statuses(&answer), [408], "{answer}");
}

#[tokio::test(start_paused = true)]
async fn leave_to_send_is_given_only_where_the_body_would_be_taken() {
    let fixture = Fixture::new();
    let head = |length: u64, kind: &str| {
        format!(
            "POST /app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    let git = "application/x-git-upload-pack-request";
    for (length, kind, status) in [(u64::MAX / 4, git, 413), (4, "text/plain", 415)] {
        let answers = fixture.connect().ask(&head(length, kind)).await;
        assert_eq!(statuses(&answers), [status], "{answers}");
    }
    let mut client = fixture.connect();
    client.send(&head(4, git)).await;
    let mut leave = [0; 25];
    client.stream.read_exact(&mut leave).await.unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    let answers = client.ask("0000").await;
    assert_eq!(statuses(&answers).len(), 1, "{answers}");
}

#[tokio::test(start_paused = true)]
async fn an_ending_server_lets_idle_clients_go_and_finishes_the_others() {
    let fixture = Fixture::new();
    let idle = fixture.connect();
    let mut busy = fixture.connect();
    busy.send(
        "POST /app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\
         Content-Type: application/x-git-upload-pack-request\r\n\r\n00",
    )
    .await;
    tokio::task::yield_now().await;
    fixture.closing.cancel();
    assert_eq!(idle.rest().await, "");
    let answer = busy.ask("00").await;
    assert_eq!(statuses(&answer).len(), 1, "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_cut_with_the_server() {
    let fixture = Fixture::new();
    let mut client = fixture.connect();
    client.send("POST /app.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await;
    tokio::task::yield_now().await;
    fixture.closing.cancel();
    tokio::task::yield_now().await;
    fixture.cut.cancel();
    client.task.await.unwrap();
}
