//! The `ls-refs` command of protocol version 2.
//!
//! Owns its request, which may be sent before the advertisement has come, and the reading of its answer. Never: version 0.
//!
//! # Source
//! gitprotocol-v2, `ls-refs`.

use std::collections::BTreeMap;

use mirror_core::name::RefName;
use tokio::io::{AsyncRead, AsyncWrite};

use super::advertisement::{Bytes, RemoteRef, parse_id, ref_name, split_id};
use super::error::{FetchError, Stage, words};
use super::limits::Limits;
use super::pattern::{Asked, RefPattern, asked};
use super::wire::{Wire, unexpected};
use mirror_git::pkt::{Packet, encode};

/// What this program calls itself towards upstream.
pub(super) const AGENT: &str = concat!("agent=git-mirror/", env!("CARGO_PKG_VERSION"));

/// A pkt-line has an end, and a shorter prefix only makes upstream say more.
const MOST_PREFIX: usize = 32_000;

/// Gives the bytes of an `ls-refs` command for these refs.
///
/// They may be sent right behind the start of `git-upload-pack`, before its advertisement has come, which saves a round trip; the channel is
/// then opened with [`Sent::LsRefs`](super::Sent::LsRefs). `object-format` is left out: absent it means SHA-1, and servers before 2.28 refuse it.
#[must_use]
pub fn ls_refs_request(patterns: &[RefPattern]) -> Vec<u8> {
    let mut request = Vec::new();
    encode::data(b"command=ls-refs\n", &mut request);
    encode::data(format!("{AGENT}\n").as_bytes(), &mut request);
    encode::delimiter(&mut request);
    encode::data(b"peel\n", &mut request);
    for pattern in patterns {
        let prefix = pattern.prefix();
        let short = &prefix[..prefix.floor_char_boundary(MOST_PREFIX)];
        encode::data(format!("ref-prefix {short}\n").as_bytes(), &mut request);
    }
    encode::flush(&mut request);
    request
}

/// Reads the answer to [`ls_refs_request`], whole.
///
/// # Cancel safety
/// None: dropped in its middle, the channel stands inside an answer.
pub(super) async fn read_answer<R, W>(
    wire: &mut Wire<R, W>,
    patterns: &[RefPattern],
    limits: &Limits,
) -> Result<Vec<RemoteRef>, FetchError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut size = Bytes::new(Stage::LsRefs, limits);
    let mut refs = BTreeMap::new();
    let mut seen = 0;
    loop {
        let packet = wire.packet(Stage::LsRefs).await?;
        size.add(&packet)?;
        let line = match (packet, packet.line()) {
            (Packet::Flush, _) => return Ok(refs.into_values().collect()),
            (_, Some(line)) => line,
            _ => return Err(unexpected(Stage::LsRefs, &packet)),
        };
        seen += 1;
        if seen > limits.refs {
            return Err(FetchError::RefCount { limit: limits.refs });
        }
        if let Some(remote) = parse_line(line, patterns, limits)? {
            let name: RefName = remote.name.clone();
            if refs.insert(name.clone(), remote).is_some() {
                return Err(FetchError::DoubledRef { name: words(name.as_str().as_bytes()) });
            }
        }
    }
}

/// Reads one line: `<id> <name>[ <attribute>]…`. Gives nothing for a ref that only shares a prefix with one that was asked for.
fn parse_line(line: &[u8], patterns: &[RefPattern], limits: &Limits) -> Result<Option<RemoteRef>, FetchError> {
    let bad = || FetchError::Protocol { at: Stage::LsRefs, seen: words(line) };
    let (id, rest) = split_id(line).ok_or_else(bad)?;
    let target = parse_id(id).ok_or_else(bad)?;
    let mut parts = std::str::from_utf8(rest).map_err(|_| bad())?.split(' ');
    let text = parts.next().ok_or_else(bad)?;
    let relation = asked(patterns, text);
    if relation == Asked::Unasked {
        return Err(FetchError::UnaskedRef { name: words(text.as_bytes()) });
    }
    let name = ref_name(text, limits)?;
    let mut peeled = None;
    for attribute in parts {
        if let Some(id) = attribute.strip_prefix("peeled:") {
            peeled = Some(parse_id(id.as_bytes()).ok_or_else(bad)?);
        }
    }
    Ok((relation == Asked::Meant).then_some(RemoteRef { name, target, peeled }))
}
