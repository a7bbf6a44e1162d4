//! Wants and haves of protocol version 0, up to the first byte of the pack.
//!
//! Owns the conversation with `multi_ack_detailed`, which every server has had since 2009. Never: the refs.
//!
//! # Source
//! gitprotocol-pack "Packfile Negotiation"; gitprotocol-capabilities `multi_ack_detailed`.

use gix_hash::ObjectId;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::{FetchError, Stage};
use super::haves::{Batch, Haves, Named, Window};
use super::ls_refs::AGENT;
use super::request::FetchRequest;
use super::session::{BlockingWire, Terms};
use super::wire::unexpected;
use mirror_git::pkt::encode;

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
    let mut out = wants(terms, request);
    let mut window = Window::new();
    loop {
        let batch = haves.next(window.size())?;
        let last = window.sent(batch.len());
        for have in batch {
            encode::data(format!("have {have}\n").as_bytes(), &mut out);
        }
        if last == Batch::Last {
            break;
        }
        encode::flush(&mut out);
        channel.send(&out, Stage::Negotiation)?;
        out.clear();
        if read_batch(channel, haves, &mut window)? == Server::Ready {
            break;
        }
    }
    encode::data(b"done\n", &mut out);
    channel.send(&out, Stage::Negotiation)?;
    read_verdict(channel, haves, &mut window)
}

fn wants(terms: &Terms, request: &FetchRequest) -> Vec<u8> {
    let mut capabilities = vec!["multi_ack_detailed", "side-band-64k"];
    capabilities.extend(terms.options(request));
    if terms.features.agent {
        capabilities.push(AGENT);
    }
    let mut out = Vec::new();
    for (place, want) in request.wants.iter().enumerate() {
        let line =
            if place == 0 { format!("want {want} {}\n", capabilities.join(" ")) } else { format!("want {want}\n") };
        encode::data(line.as_bytes(), &mut out);
    }
    encode::flush(&mut out);
    out
}

/// Whether upstream has heard enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Ready,
    Listening,
}

/// One line of upstream's side.
enum Line {
    Nak,
    Common,
    Ready,
    /// An acknowledgement without status: the last word before the pack.
    Final,
}

/// Reads what upstream says to one batch of haves.
fn read_batch<R, W>(
    channel: &mut BlockingWire<R, W>,
    haves: &mut Haves<'_>,
    window: &mut Window,
) -> Result<Server, FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut server = Server::Listening;
    loop {
        match read_line(channel, haves, window)? {
            (Line::Nak, _) => return Ok(server),
            (Line::Common, _) => {}
            (Line::Ready, _) => server = Server::Ready,
            (Line::Final, error) => return Err(error),
        }
    }
}

/// Reads what upstream says to `done`.
fn read_verdict<R, W>(
    channel: &mut BlockingWire<R, W>,
    haves: &mut Haves<'_>,
    window: &mut Window,
) -> Result<(), FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        match read_line(channel, haves, window)?.0 {
            Line::Nak | Line::Final => return Ok(()),
            Line::Common | Line::Ready => {}
        }
    }
}

/// Reads one line, and gives the error it would be where it has no place.
fn read_line<R, W>(
    channel: &mut BlockingWire<R, W>,
    haves: &mut Haves<'_>,
    window: &mut Window,
) -> Result<(Line, FetchError), FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let packet = channel.packet(Stage::Negotiation)?;
    let error = unexpected(Stage::Negotiation, &packet);
    let line = packet.line().unwrap_or_default();
    if line == b"NAK" {
        return Ok((Line::Nak, error));
    }
    if line.starts_with(b"shallow ") || line.starts_with(b"unshallow ") {
        return Err(FetchError::Shallow);
    }
    let Some(rest) = line.strip_prefix(b"ACK ") else { return Err(error) };
    let (hex, status) = rest.split_at(rest.len().min(40));
    let Ok(id) = ObjectId::from_hex(hex) else { return Err(error) };
    let kind = match status {
        b" common" | b" continue" => Line::Common,
        b" ready" => Line::Ready,
        b"" => Line::Final,
        _ => return Err(error),
    };
    if haves.acknowledge(id)? == Named::Never {
        return Err(error);
    }
    window.answered();
    Ok((kind, error))
}
