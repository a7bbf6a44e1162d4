//! Every byte of every form of answer, through real sockets and hyper's own framing.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::{Stream, WireBody};
use crate::http::answer::{AnswerBody, FileBody, Piece, Region};

/// Who moves the bytes of files.
#[derive(Debug, Clone, Copy)]
enum By {
    Kernel,
    Reading,
}

/// A file without a period that a slice of it could hide behind.
fn pattern(length: usize) -> (Arc<File>, Vec<u8>) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Never zero, so that a placeholder on the wire shows.
        (state as u8).max(1)
    })
    .take(length)
    .collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (Arc::new(file), bytes)
}

struct Parts {
    regions: VecDeque<std::io::Result<Region>>,
    length: Option<u64>,
}

impl FileBody for Parts {
    fn poll_region(&mut self, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Region>>> {
        Poll::Ready(self.regions.pop_front())
    }

    fn length(&self) -> Option<u64> {
        self.length
    }
}

/// Regions that come when the test lets them.
struct Growing(mpsc::Receiver<Region>);

impl FileBody for Growing {
    fn poll_region(&mut self, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Region>>> {
        self.0.poll_recv(context).map(|region| region.map(Ok))
    }

    fn length(&self) -> Option<u64> {
        None
    }
}

fn parts(file: &Arc<File>, ranges: &[(u64, u64)], length: Option<u64>) -> AnswerBody {
    let region =
        |(offset, length): &(u64, u64)| Ok(Region { file: Arc::clone(file), offset: *offset, length: *length });
    AnswerBody::File(Box::new(Parts { regions: ranges.iter().map(region).collect(), length }))
}

fn total(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().map(|(_, length)| length).sum()
}

/// Serves answers, one a request, on one connection.
async fn serve(answers: Vec<AnswerBody>, by: By) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Small buffers, so that answers stop and go.
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(16 << 10).unwrap();
    let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let (stream, queue) = Stream::new(socket);
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    tokio::spawn(async move {
        let service = service_fn(|_| {
            let body = answers.lock().unwrap().pop_front().unwrap();
            let queue = matches!(by, By::Kernel).then(|| queue.clone());
            std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(WireBody::new(body, queue))))
        });
        let connection =
            hyper::server::conn::http1::Builder::new().writev(true).serve_connection(TokioIo::new(stream), service);
        if connection.await.is_ok() {
            assert!(queue.is_empty(), "a part of a file was queued and not sent");
        }
    });
    client
}

const ONE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn line(client: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(client.read_u8().await.ok()?);
    }
    Some(String::from_utf8(line).unwrap().trim_end().to_owned())
}

/// Reads one answer; `None` where it is cut off.
async fn read(client: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    assert_eq!(line(client).await?, "HTTP/1.1 200 OK");
    let mut length = None;
    loop {
        let header = line(client).await?;
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = Some(value.parse::<usize>().unwrap());
        }
    }
    let mut body = Vec::new();
    if let Some(length) = length {
        body.resize(length, 0);
        client.read_exact(&mut body).await.ok()?;
        return Some(body);
    }
    loop {
        let chunk = usize::from_str_radix(&line(client).await?, 16).unwrap();
        let start = body.len();
        body.resize(start + chunk, 0);
        client.read_exact(&mut body[start..]).await.ok()?;
        assert_eq!(line(client).await?, "");
        if chunk == 0 {
            return Some(body);
        }
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn same(found: Option<&[u8]>, expect: &[u8], what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what} was cut off"));
    assert_eq!(found.len(), expect.len(), "{what}");
    let first = found.iter().zip(expect).position(|(found, expect)| found != expect);
    assert_eq!(first, None, "{what}: the first byte that differs");
}

#[test]
fn large_regions_arrive_whole_with_a_length_and_in_chunks() {
    let (file, bytes) = pattern(5 << 20);
    let whole = [(0, 5 << 20)];
    for by in [By::Kernel, By::Reading] {
        run(async {
            let answers = vec![parts(&file, &whole, Some(5 << 20)), parts(&file, &whole, None)];
            let mut client = serve(answers, by).await;
            for what in ["with a length", "in chunks"] {
                client.write_all(ONE).await.unwrap();
                same(read(&mut client).await.as_deref(), &bytes, &format!("{what}, by {by:?}"));
            }
        });
    }
}

#[test]
fn pipelined_answers_of_all_forms_keep_their_places() {
    let (file, bytes) = pattern(3 << 20);
    let ranges = [(7, 1 << 20), (100, 1), (1 << 20, (1 << 20) + 5), (0, 4096)];
    let expect: Vec<u8> =
        ranges.iter().flat_map(|(at, length)| &bytes[*at as usize..(at + length) as usize]).copied().collect();
    for by in [By::Kernel, By::Reading] {
        run(async {
            let (sender, pieces) = mpsc::channel(8);
            for piece in [Piece::Data(Bytes::from_static(b"one")), Piece::Data(Bytes::from_static(b"two")), Piece::End]
            {
                sender.send(piece).await.ok().unwrap();
            }
            let answers = vec![
                AnswerBody::Whole(Bytes::from_static(b"first")),
                parts(&file, &ranges, Some(total(&ranges))),
                AnswerBody::Pieces(pieces),
                parts(&file, &ranges, None),
                AnswerBody::Whole(Bytes::new()),
                parts(&file, &[], Some(0)),
                parts(&file, &[], None),
                parts(&file, &[(5, 3)], Some(3)),
                AnswerBody::Whole(Bytes::from_static(b"last")),
            ];
            let expects: [&[u8]; 9] = [b"first", &expect, b"onetwo", &expect, b"", b"", b"", &bytes[5..8], b"last"];
            let mut client = serve(answers, by).await;
            client.write_all(&ONE.repeat(expects.len())).await.unwrap();
            for (number, expect) in expects.iter().enumerate() {
                same(read(&mut client).await.as_deref(), expect, &format!("answer {number}, by {by:?}"));
            }
        });
    }
}

#[test]
fn an_answer_grows_with_its_file() {
    for by in [By::Kernel, By::Reading] {
        run(async {
            let (_, bytes) = pattern(300_000);
            let file = Arc::new(tempfile::tempfile().unwrap());
            let (sender, regions) = mpsc::channel(1);
            let mut client = serve(vec![AnswerBody::File(Box::new(Growing(regions)))], by).await;
            client.write_all(ONE).await.unwrap();
            let grow = async {
                let mut offset = 0;
                for part in bytes.chunks(30_001) {
                    (&*file).write_all(part).unwrap();
                    let region = Region { file: Arc::clone(&file), offset, length: part.len() as u64 };
                    offset += part.len() as u64;
                    sender.send(region).await.unwrap();
                }
                drop(sender);
            };
            let ((), found) = tokio::join!(grow, read(&mut client));
            same(found.as_deref(), &bytes, &format!("by {by:?}"));
        });
    }
}

#[test]
fn what_cannot_be_whole_is_cut_off() {
    let (file, bytes) = pattern(100_000);
    let broken = || {
        AnswerBody::File(Box::new(Parts {
            regions: [
                Ok(Region { file: Arc::clone(&file), offset: 0, length: 10 }),
                Err(std::io::Error::other("torn")),
            ]
            .into(),
            length: None,
        }))
    };
    for by in [By::Kernel, By::Reading] {
        let (sender, given_up) = mpsc::channel(1);
        sender.try_send(Piece::Data(Bytes::from_static(b"half"))).ok().unwrap();
        drop(sender);
        let answers: Vec<(&str, AnswerBody)> = vec![
            ("a file that is too short", parts(&file, &[(0, 50_000), (90_000, 20_000)], Some(70_000))),
            ("a file that is too short, in chunks", parts(&file, &[(90_000, 20_000)], None)),
            ("an answer shorter than its length", parts(&file, &[(0, 10)], Some(11))),
            ("an answer longer than its length", parts(&file, &[(0, 10), (0, 10)], Some(15))),
            ("an answer that fails", broken()),
            ("pieces that were given up", AnswerBody::Pieces(given_up)),
        ];
        for (what, answer) in answers {
            run(async {
                // The next answer would begin with what this one lacks, if the connection went on.
                let mut client = serve(vec![answer, parts(&file, &[(0, 100)], None)], by).await;
                client.write_all(&ONE.repeat(2)).await.unwrap();
                assert_eq!(read(&mut client).await, None, "{what}, by {by:?}");
                let mut rest = Vec::new();
                let _ = client.read_to_end(&mut rest).await;
                assert!(!rest.windows(8).any(|window| window == b"HTTP/1.1"), "{what}, by {by:?}");
            });
        }
    }
    assert_eq!(bytes.len(), 100_000);
}

#[test]
fn a_head_request_gets_no_part_of_a_file() {
    let (file, bytes) = pattern(1000);
    run(async {
        let answers = vec![parts(&file, &[(0, 1000)], Some(1000)), parts(&file, &[(10, 10)], Some(10))];
        let mut client = serve(answers, By::Kernel).await;
        client.write_all(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        while !line(&mut client).await.unwrap().is_empty() {}
        client.write_all(ONE).await.unwrap();
        same(read(&mut client).await.as_deref(), &bytes[10..20], "the answer behind");
    });
}

/// One answer of a property: its form, and the parts it has.
#[derive(Debug, Clone)]
enum Form {
    Whole(usize),
    Long(Vec<(u64, u64)>),
    Chunked(Vec<(u64, u64)>),
}

fn form() -> impl Strategy<Value = Form> {
    let ranges = || prop::collection::vec((0..200_000_u64, 1..60_000_u64), 0..5);
    prop_oneof![(0..3000_usize).prop_map(Form::Whole), ranges().prop_map(Form::Long), ranges().prop_map(Form::Chunked),]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_answers_in_any_order_arrive_byte_for_byte(forms in prop::collection::vec(form(), 1..8), reads in prop::bool::ANY) {
        let (file, bytes) = pattern(260_000);
        let by = if reads { By::Reading } else { By::Kernel };
        let joined = |ranges: &[(u64, u64)]| -> Vec<u8> {
            ranges.iter().flat_map(|(at, length)| &bytes[*at as usize..(at + length) as usize]).copied().collect()
        };
        let (answers, expects): (Vec<AnswerBody>, Vec<Vec<u8>>) = forms.iter().map(|form| match form {
            Form::Whole(length) => (AnswerBody::Whole(Bytes::copy_from_slice(&bytes[..*length])), bytes[..*length].to_vec()),
            Form::Long(ranges) => (parts(&file, ranges, Some(total(ranges))), joined(ranges)),
            Form::Chunked(ranges) => (parts(&file, ranges, None), joined(ranges)),
        }).unzip();
        run(async {
            let mut client = serve(answers, by).await;
            client.write_all(&ONE.repeat(expects.len())).await.unwrap();
            for (number, expect) in expects.iter().enumerate() {
                same(read(&mut client).await.as_deref(), expect, &format!("answer {number}"));
            }
        });
    }
}
