//! Requests that no git would send: torn, endless, lying about themselves, or after something that is not theirs.
//!
//! Each is answered or cut off, none is answered with a fault of the server, and afterwards the server is as it was: it serves, runs no
//! process without a waiting client, and holds no file open for a client that disconnected.

use std::io::{Read, Write};
use std::net::Shutdown;

use flate2::Compression;
use flate2::write::GzEncoder;
use mirror_core::name::CommitId;
use mirror_tests::gitclient::VERSIONS;
use mirror_tests::http::{self, Reply};
use mirror_tests::procfs;
use mirror_tests::server::Served;

const ADVERTISEMENT: &str = "/app.git/info/refs?service=git-upload-pack";
const UPLOAD: &str = "/app.git/git-upload-pack";
const UPLOAD_TYPE: (&str, &str) = ("Content-Type", "application/x-git-upload-pack-request");
const V2: (&str, &str) = ("Git-Protocol", "version=2");
/// The largest body that a request for a pack may have, unpacked.
const UPLOAD_LIMIT: usize = 16 << 20;

/// A server, with its resources before the hostile requests.
struct Hostile {
    served: Served,
    files: Vec<String>,
    clones: usize,
}

impl Hostile {
    fn begin() -> Self {
        let served = Served::small(|_| {});
        let mut hostile = Self { served, files: Vec::new(), clones: 0 };
        // Opens what stays open: packs, cached answers.
        hostile.clone_in_both_versions();
        hostile.settle();
        hostile.files = hostile.open_files();
        hostile
    }

    fn clone_in_both_versions(&mut self) {
        for version in VERSIONS {
            self.clones += 1;
            let name = format!("clone-{}", self.clones);
            let clone = self.served.client().speaking(version).clone_bare(&self.served.url(), &name, &[]);
            assert_eq!(clone.refs(), self.served.world.upstream().refs());
        }
    }

    /// The open files without those of cached answers: the cache has its own bound for those.
    fn open_files(&self) -> Vec<String> {
        let folder = std::fs::read_dir(format!("/proc/{}/fd", self.served.id())).expect("because the server runs");
        let open = folder.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        open.map(|path| path.display().to_string()).filter(|path| !path.contains("/pack-cache/")).collect()
    }

    /// Waits until the server runs nothing and has no client.
    fn settle(&self) {
        self.served.wait_until("no program is left", || self.served.children().is_empty());
        // The question itself comes by a connection.
        self.served.wait_until("no connection is left", || self.served.metric("git_mirror_connections") <= 1.0);
    }

    /// Proves that the server is as it was.
    fn end(mut self) {
        assert!(self.served.server.runs());
        self.clone_in_both_versions();
        self.settle();
        let more = || self.open_files().len() > self.files.len();
        let what = format!("nothing more is open than {:?}, as {:?} is", self.files, self.open_files());
        self.served.wait_until(&what, || !more());
        assert!(!self.served.log().contains("panicked"), "{}", self.served.log());
    }

    /// The commit at the tip of the source branch.
    fn tip(&self) -> CommitId {
        self.served.world.upstream().branch("main").expect("because it was made")
    }

    fn upload(&self, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        http::request(self.served.address(), "POST", UPLOAD, &[&[UPLOAD_TYPE], headers].concat(), body)
    }

    /// Sends bytes, and gives all that comes until the server closes.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = http::connect(self.served.address());
        // Who is refused early may not be able to send all of it.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers);
        String::from_utf8_lossy(&answers).into_owned()
    }
}

/// The status codes of all answers in a row.
fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
}

fn pkt(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("because memory takes it");
    encoder.finish().expect("because memory takes it")
}

#[track_caller]
fn refused(reply: &Reply, status: u16, words: &str) {
    assert_eq!(reply.status, status, "{:?}\n{}", reply.headers, reply.text());
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(reply.text().contains(words), "{words:?} in {}", reply.text());
}

#[test]
fn path_traversal_is_refused() {
    let hostile = Hostile::begin();
    let secret = hostile.served.world.config_file();
    let secret = secret.to_str().expect("a path of text");
    let escapes = [
        "/../../../../../../etc/passwd".to_owned(),
        "/app.git/../../../../../../etc/passwd".to_owned(),
        "/app.git/%2e%2e/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/app.git/%252e%252e/%252e%252e/etc/passwd".to_owned(),
        "/app.git/..%2f..%2f..%2fetc%2fpasswd".to_owned(),
        "/app.git/..%5c..%5cetc%5cpasswd".to_owned(),
        "/app.git/..\\..\\etc\\passwd".to_owned(),
        "/app.git/.%00./config".to_owned(),
        "/%00".to_owned(),
        "/%ff%fe/info/refs?service=git-upload-pack".to_owned(),
        "//app.git/info/refs?service=git-upload-pack".to_owned(),
        "/./app.git/info/refs?service=git-upload-pack".to_owned(),
        "/app.git/../app.git/info/refs?service=git-upload-pack".to_owned(),
        "/app.git/git-mirror/journal".to_owned(),
        "/app.git/config".to_owned(),
        "/app.git.git/info/refs?service=git-upload-pack".to_owned(),
        "/APP.git/info/refs?service=git-upload-pack".to_owned(),
        format!("/{secret}"),
        format!("/app.git/{secret}"),
        format!("/{}", "a/".repeat(3000)),
        format!("/{}", "%2e".repeat(3000)),
    ];
    for path in escapes {
        let reply = http::get(hostile.served.address(), &path, &[]);
        assert!(matches!(reply.status, 400 | 403 | 404 | 414), "{path}: {}", reply.status);
        let text = reply.text();
        assert!(!text.contains("root:") && !text.contains("apiVersion"), "{path}: {text}");
    }
    hostile.end();
}

#[test]
fn dumb_http_is_refused_with_a_reason() {
    let hostile = Hostile::begin();
    let get = |path: &str| http::get(hostile.served.address(), path, &[]);
    refused(&get("/app.git/info/refs"), 403, "smart HTTP");
    refused(&get("/app.git/HEAD"), 403, "smart HTTP");
    refused(&get("/app.git/objects/info/packs"), 403, "smart HTTP");
    refused(&get("/app.git/info/refs?service=git-upload-archive"), 403, "git-upload-pack");
    refused(&get("/app.git/info/refs?service=../../bin/sh"), 403, "git-upload-pack");
    refused(&get("/app.git"), 404, "git clone");
    refused(&get("/unknown.git/info/refs?service=git-upload-pack"), 404, "no such repository");
    refused(&get("/app.git/info/lfs/objects/batch"), 404, "LFS");
    for (method, path, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", ADVERTISEMENT, "GET, HEAD"),
        ("GET", UPLOAD, "POST"),
        ("PUT", "/app.git/git-receive-pack", "POST"),
        ("OPTIONS", "/", "GET, HEAD"),
        ("TRACE", "/", "GET, HEAD"),
    ] {
        let reply = http::request(hostile.served.address(), method, path, &[], &[]);
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    let with = |headers: &[(&str, &str)]| http::request(hostile.served.address(), "POST", UPLOAD, headers, b"0000");
    refused(&with(&[("Content-Type", "application/json")]), 415, "application/x-git-upload-pack-request");
    refused(&with(&[]), 415, "application/x-git-upload-pack-request");
    refused(&with(&[UPLOAD_TYPE, ("Content-Encoding", "br")]), 415, "gzip");
    refused(&with(&[UPLOAD_TYPE, ("Content-Encoding", "gzip, gzip")]), 415, "gzip");
    hostile.end();
}

#[test]
fn head_answers_as_get() {
    let hostile = Hostile::begin();
    for (path, headers) in [
        ("/", &[][..]),
        ("/healthz", &[]),
        ("/readyz", &[]),
        (ADVERTISEMENT, &[]),
        (ADVERTISEMENT, &[V2]),
        ("/app.git/info/refs", &[]),
        ("/nothing", &[]),
    ] {
        let get = http::request(hostile.served.address(), "GET", path, headers, &[]);
        let head = http::request(hostile.served.address(), "HEAD", path, headers, &[]);
        assert_eq!(head.status, get.status, "{path}");
        for name in ["content-type", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        // The page shows times, and differs a little every time.
        let length = |reply: &Reply| reply.header("content-length").and_then(|length| length.parse::<usize>().ok());
        let (result, sent) = (length(&head).expect("a length"), get.body.len());
        assert!(result == sent || path == "/" && result.abs_diff(sent) < 100, "{path}: {result} of {sent}");
    }
    hostile.end();
}

#[test]
fn an_error_keeps_the_connection_usable() {
    let hostile = Hostile::begin();
    let mut stream = http::connect(hostile.served.address());
    let requests = [
        ("GET /nothing HTTP/1.1\r\n", 404),
        ("GET /%252e HTTP/1.1\r\n", 400),
        ("PUT / HTTP/1.1\r\n", 405),
        ("POST /app.git/git-upload-pack HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n", 415),
        ("GET /readyz HTTP/1.1\r\n", 200),
        ("POST /app.git/git-receive-pack HTTP/1.1\r\nContent-Length: 4\r\n", 401),
        ("GET /app.git/info/refs?service=git-upload-pack HTTP/1.1\r\n", 200),
    ];
    for (request, status) in requests {
        let body = if request.contains("Length: 4") { "0000" } else { "" };
        stream.write_all(format!("{request}Host: x\r\n\r\n{body}").as_bytes()).expect("an open connection");
        let reply = http::read_reply(&mut stream, false).expect("an answer");
        assert_eq!(reply.status, status, "{request}: {}", reply.text());
    }
    drop(stream);
    hostile.end();
}

#[test]
fn truncated_requests_are_refused() {
    let hostile = Hostile::begin();
    let body = format!("{}0001{}0000", pkt("command=ls-refs\n"), pkt("peel\n"));
    let head = format!(
        "POST {UPLOAD} HTTP/1.1\r\nHost: x\r\n{}: {}\r\nGit-Protocol: version=2\r\n",
        UPLOAD_TYPE.0, UPLOAD_TYPE.1
    );
    let lengthy = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for whole in [&lengthy, &chunked] {
        for length in (0..whole.len()).step_by(3) {
            let answers = hostile.exchange(&whole.as_bytes()[..length]);
            assert!(!statuses(&answers).iter().any(|status| *status < 400 || *status >= 500), "{length}: {answers}");
        }
    }
    for whole in [lengthy, chunked] {
        let mut stream = http::connect(hostile.served.address());
        stream.write_all(whole.as_bytes()).expect("an open connection");
        http::read_reply(&mut stream, false).expect("an answer").expect(200);
    }
    hostile.end();
}

#[test]
fn pkt_lines_with_wrong_lengths_are_refused() {
    let hostile = Hostile::begin();
    let want = pkt(&format!("want {}\n", hostile.tip()));
    let bodies = [
        String::new(),
        "0000".to_owned(),
        "0".to_owned(),
        "0003".to_owned(),
        "0004".to_owned(),
        "zzzz".to_owned(),
        "ffff".to_owned(),
        "FFF1x".to_owned(),
        "-001".to_owned(),
        "00000000".repeat(5000),
        "0004".repeat(5000),
        "0001".repeat(5000),
        "0002".repeat(5000),
        pkt("command=fetch\n"),
        pkt("command=\n"),
        pkt("command=push\n") + "0000",
        pkt("command=fetch\n") + &pkt("command=ls-refs\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want,
        pkt("command=fetch\n") + "0001" + &want + &pkt("done\n") + "0000trailing",
        pkt("command=fetch\n") + "0001" + &pkt("want master\n") + &pkt("done\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want + &pkt("deepen -1\n") + &pkt("done\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want + &pkt("deepen 99999999999999999999\n") + &pkt("done\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want + &pkt("filter sparse:path=/etc/passwd\n") + &pkt("done\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want + &pkt("filter combine:combine:x\n") + &pkt("done\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want + &pkt("packfile-uris file\n") + &pkt("done\n") + "0000",
        pkt("command=fetch\n") + "0001" + &want + &pkt("--upload-pack=x\n") + &pkt("done\n") + "0000",
        pkt("command=ls-refs\n") + "0001" + &pkt("ref-prefix \0\n") + "0000",
        pkt("command=ls-refs\n") + "0001" + &pkt("nonsense\n") + "0000",
        want.clone(),
        want.clone() + "0000",
        want.clone() + "00000009done\n0009done\n",
        pkt(&format!("want {} nonsense \0\n", hostile.tip())) + "00000009done\n",
        pkt("have 1\n") + "0000",
        pkt(&"x".repeat(65515)) + "0000",
    ];
    for body in bodies {
        let shown: String = body.chars().take(80).collect();
        for headers in [&[V2][..], &[]] {
            let reply = hostile.upload(headers, body.as_bytes());
            assert!(reply.status < 500, "{headers:?} {shown:?}: {} {}", reply.status, reply.text());
            assert!(!reply.body.windows(4).any(|four| four == b"PACK") || body.contains("done"), "{shown:?}");
            assert!(!reply.text().contains("root:"), "{shown:?}");
        }
    }
    hostile.end();
}

#[test]
fn contradictory_lengths_smuggle_nothing() {
    let hostile = Hostile::begin();
    let head = format!("POST {UPLOAD} HTTP/1.1\r\nHost: x\r\n{}: {}\r\n", UPLOAD_TYPE.0, UPLOAD_TYPE.1);
    let behind = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for disagreeing in [
        "Content-Length: 4\r\nContent-Length: 0\r\n\r\n0000",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0004\r\n0000\r\n0x0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4;a\nb\r\n0000\r\n0\r\n\r\n",
        "Content-Length: 0x4\r\n\r\n0000",
        "Content-Length: 4 4\r\n\r\n0000",
        "Content-Length\r\n : 4\r\n\r\n0000",
    ] {
        let answers = hostile.exchange(format!("{head}{disagreeing}{behind}").as_bytes());
        let seen = statuses(&answers);
        assert!(seen.len() <= 1 && !seen.contains(&200), "{disagreeing:?}: {answers}");
    }
    // A head within a body is a body.
    let inner = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let answers = hostile.exchange(format!("{head}Content-Length: {}\r\n\r\n{inner}{behind}", inner.len()).as_bytes());
    assert!(!answers.contains("# TYPE"), "{answers}");
    hostile.end();
}

#[test]
fn endless_request_heads_are_cut() {
    let hostile = Hostile::begin();
    let many: String = (0..100_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}", "y".repeat(8 << 20));
    let target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(8 << 20));
    for head in [format!("GET / HTTP/1.1\r\nHost: x\r\n{many}"), format!("GET / HTTP/1.1\r\n{long}"), target] {
        let answers = hostile.exchange(head.as_bytes());
        assert!(statuses(&answers).iter().all(|status| *status == 431), "{answers}");
    }
    for garbage in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x16\x03\x01\x02\0\x01\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answers = hostile.exchange(garbage);
        assert!(statuses(&answers).iter().all(|status| (400..500).contains(status) || *status == 505), "{answers}");
    }
    hostile.end();
}

#[test]
fn oversized_bodies_are_cut_at_their_limit() {
    let hostile = Hostile::begin();
    // Announced, sent in chunks without an end, and packed a thousand times smaller than it is.
    let announced = format!(
        "POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{}: {}\r\nContent-Length: 99999999999\r\n\r\n",
        UPLOAD_TYPE.0, UPLOAD_TYPE.1
    );
    let reply = http::raw(hostile.served.address(), announced.as_bytes()).expect("an answer");
    refused(&reply, 413, "16777216");

    let bomb = gzip(&vec![b'0'; 1 << 28]);
    assert!(bomb.len() < UPLOAD_LIMIT / 32, "a bomb is small");
    let before = procfs::resident_memory(hostile.served.id()).expect("because it runs");
    for _ in 0..4 {
        refused(&hostile.upload(&[("Content-Encoding", "gzip")], &bomb), 413, "16777216");
    }
    let peak = procfs::peak_memory(hostile.served.id()).expect("because it runs");
    assert!(peak < before + 4 * UPLOAD_LIMIT as u64, "{before} → {peak}");

    let mut stream = http::connect(hostile.served.address());
    let head = announced
        .replace("Expect: 100-continue\r\n", "")
        .replace("Content-Length: 99999999999", "Transfer-Encoding: chunked");
    stream.write_all(head.as_bytes()).expect("an open connection");
    let chunk = [&b"10000\r\n"[..], &[b'0'; 0x10000], b"\r\n"].concat();
    // The server answers and closes before a tenth of this was sent.
    let sent = (0..10 * UPLOAD_LIMIT / 0x10000).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 10 * UPLOAD_LIMIT / 0x10000, "all was taken");
    drop(stream);

    for torn in [&b"\x1f\x8b"[..], b"plain", &gzip(b"0000")[..10], &[gzip(b"0000"), gzip(b"0000")].concat()] {
        refused(&hostile.upload(&[("Content-Encoding", "gzip")], torn), 400, "gzip");
    }
    hostile
        .upload(&[V2, ("Content-Encoding", "gzip")], &gzip((pkt("command=ls-refs\n") + "0000").as_bytes()))
        .expect(200);
    hostile.end();
}

#[test]
fn unknown_wants_are_refused_in_any_number() {
    let hostile = Hostile::begin();
    let absent = |n: u32| format!("{n:040x}");
    let fetch = |wants: &str| pkt("command=fetch\n") + "0001" + wants + &pkt("done\n") + "0000";
    let want = |id: &str| pkt(&format!("want {id}\n"));

    let one = hostile.upload(&[V2], fetch(&want(&absent(7))).as_bytes());
    assert!(one.text().contains("not our ref") && !one.text().contains("PACK"), "{} {}", one.status, one.text());
    let many: String = (1..=10_000).map(|n| want(&absent(n))).collect();
    let many = hostile.upload(&[V2], fetch(&many).as_bytes());
    assert!(many.status < 500 && !many.text().contains("PACK"), "{} {}", many.status, many.text());

    // The same commit ten thousand times is one commit.
    let same = hostile.upload(&[V2], fetch(&want(&hostile.tip().to_string()).repeat(10_000)).as_bytes()).expect(200);
    assert!(same.body.windows(4).any(|four| four == b"PACK"), "{}", same.text());

    // In version 0, the first want carries the capabilities.
    let first = pkt(&format!("want {} side-band-64k ofs-delta\n", absent(7)));
    let old = hostile.upload(&[], (first + "00000009done\n").as_bytes());
    assert!(old.text().contains("not our ref") && !old.text().contains("PACK"), "{} {}", old.status, old.text());
    hostile.end();
}

#[test]
fn disconnecting_clients_leave_no_trace() {
    let hostile = Hostile::begin();
    let fetch = pkt("command=fetch\n") + "0001" + &pkt(&format!("want {}\n", hostile.tip())) + &pkt("done\n") + "0000";
    let request = format!(
        "POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nGit-Protocol: version=2\r\n{}: {}\r\nContent-Length: {}\r\n\r\n{fetch}",
        UPLOAD_TYPE.0,
        UPLOAD_TYPE.1,
        fetch.len()
    );
    for read in [0, 1, 100, 5000] {
        for _ in 0..8 {
            let mut stream = http::connect(hostile.served.address());
            stream.write_all(request.as_bytes()).expect("an open connection");
            let mut some = vec![0; read];
            // It may be answered with less.
            let _ = stream.read(&mut some);
        }
    }
    hostile.end();
}

#[test]
fn silent_clients_block_no_others() {
    let hostile = Hostile::begin();
    let beginnings = [
        String::new(),
        "G".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\n".to_owned(),
        format!(
            "POST {UPLOAD} HTTP/1.1\r\nHost: x\r\n{}: {}\r\nContent-Length: 1000\r\n\r\n0011",
            UPLOAD_TYPE.0, UPLOAD_TYPE.1
        ),
    ];
    let silent: Vec<_> = beginnings
        .iter()
        .cycle()
        .take(200)
        .map(|beginning| {
            let mut stream = http::connect(hostile.served.address());
            stream.write_all(beginning.as_bytes()).expect("an open connection");
            stream
        })
        .collect();
    hostile.served.get("/readyz").expect(200);
    let clone = hostile.served.client().clone_bare(&hostile.served.url(), "beside", &[]);
    assert_eq!(clone.refs(), hostile.served.world.upstream().refs());
    drop(silent);
    hostile.end();
}
