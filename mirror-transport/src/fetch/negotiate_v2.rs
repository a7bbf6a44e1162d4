//! The `fetch` command of protocol version 2, up to the first byte of the pack.
//!
//! Owns requests and acknowledgements. Each request stands alone, so what is known to be common is said again in every one.
//!
//! # Source
//! gitprotocol-v2, `fetch`.

use gix_hash::ObjectId;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{FetchError, Stage};
use super::haves::{Batch, Haves, Named, Window};
use super::ls_refs::AGENT;
use super::request::FetchRequest;
use super::session::{BlockingWire, Terms};
use super::wire::unexpected;
use mirror_git::pkt::{Packet, encode};

/// Agrees with upstream on what to send. Afterwards the next packet is the first of the pack's side band.
pub(super) fn run<R, W>(
    channel: &mut BlockingWire<R, W>,
    terms: &Terms,
    request: &FetchRequest,
    haves: &mut Haves<'_>,
) -> Result<(), FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut window = Window::new();
    let mut common = Vec::new();
    loop {
        let batch = haves.next(window.size())?;
        let last = window.sent(batch.len());
        channel.send(&fetch_request(terms, request, &common, &batch, last), Stage::Negotiation)?;
        match read_answer(channel, haves, &mut common, &mut window)? {
            Answer::Pack => return Ok(()),
            Answer::GoOn if last == Batch::More => {}
            Answer::GoOn => return Err(unexpected(Stage::Negotiation, &Packet::Flush)),
        }
    }
}

fn fetch_request(
    terms: &Terms,
    request: &FetchRequest,
    common: &[ObjectId],
    batch: &[ObjectId],
    last: Batch,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = |text: String| encode::data(format!("{text}\n").as_bytes(), &mut out);
    line("command=fetch".to_owned());
    line(AGENT.to_owned());
    encode::delimiter(&mut out);
    let mut line = |text: String| encode::data(format!("{text}\n").as_bytes(), &mut out);
    for option in terms.options(request) {
        line(option.to_owned());
    }
    for want in &request.wants {
        line(format!("want {want}"));
    }
    for have in common.iter().chain(batch) {
        line(format!("have {have}"));
    }
    if last == Batch::Last {
        line("done".to_owned());
    }
    encode::flush(&mut out);
    out
}

/// How upstream answered one request.
enum Answer {
    /// The pack follows.
    Pack,
    /// It wants to hear more haves.
    GoOn,
}

fn read_answer<R, W>(
    channel: &mut BlockingWire<R, W>,
    haves: &mut Haves<'_>,
    common: &mut Vec<ObjectId>,
    window: &mut Window,
) -> Result<Answer, FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let packet = channel.packet(Stage::Negotiation)?;
        match packet.line() {
            Some(b"packfile") => return Ok(Answer::Pack),
            Some(b"shallow-info") => return Err(FetchError::Shallow),
            Some(b"acknowledgments") => {
                if let Some(answer) = read_acknowledgments(channel, haves, common, window)? {
                    return Ok(answer);
                }
            }
            _ => return Err(unexpected(Stage::Negotiation, &packet)),
        }
    }
}

/// Reads the section to its end; gives nothing where another section follows.
fn read_acknowledgments<R, W>(
    channel: &mut BlockingWire<R, W>,
    haves: &mut Haves<'_>,
    common: &mut Vec<ObjectId>,
    window: &mut Window,
) -> Result<Option<Answer>, FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let packet = channel.packet(Stage::Negotiation)?;
        let line = match packet {
            Packet::Flush => return Ok(Some(Answer::GoOn)),
            Packet::Delimiter => return Ok(None),
            Packet::Data(_) => packet.line().unwrap_or_default(),
            Packet::ResponseEnd => return Err(unexpected(Stage::Negotiation, &packet)),
        };
        match line {
            b"NAK" | b"ready" => {}
            _ => {
                let id = line.strip_prefix(b"ACK ").and_then(|hex| ObjectId::from_hex(hex).ok());
                match id.map(|id| haves.acknowledge(id).map(|named| (id, named))).transpose()? {
                    // What is repeated in a request is acknowledged again, which is no news.
                    Some((id, Named::Before)) if common.contains(&id) => {}
                    Some((id, Named::Before)) => {
                        window.answered();
                        common.push(id);
                    }
                    _ => return Err(unexpected(Stage::Negotiation, &packet)),
                }
            }
        }
    }
}
