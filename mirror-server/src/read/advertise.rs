//! The advertisement: the refs and capabilities of version 0 and 1, or the capabilities of version 2.
//!
//! Says only what is served: packs and negotiation are `git upload-pack`'s, so their capabilities are those of git; listing is ours.
//!
//! # Source
//! `gitprotocol-http(5)`, "Smart Clients"; `gitprotocol-pack(5)`, "Reference Discovery"; `gitprotocol-capabilities(5)`;
//! `gitprotocol-v2(5)`, "Capability Advertisement".

use std::sync::LazyLock;

use bytes::Bytes;
use mirror_core::name::CommitId;
use mirror_git::pkt::encode;

use super::packet;
use super::refs_cache::RefsView;
use super::version::Version;

/// What this server calls itself.
pub(crate) const AGENT: &str = concat!("git-mirror/", env!("CARGO_PKG_VERSION"));
/// What upload-pack does for clients of version 0, in git's own order.
const BEFORE_SYMREF: &str = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative \
                             no-progress include-tag multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want no-done";

/// Gives the capabilities of version 2.
pub(super) fn capabilities() -> Bytes {
    static RENDERED: LazyLock<Bytes> = LazyLock::new(|| {
        let mut out = Vec::new();
        encode::data(b"version 2\n", &mut out);
        encode::data(format!("agent={AGENT}\n").as_bytes(), &mut out);
        encode::data(b"ls-refs=unborn\n", &mut out);
        encode::data(b"fetch=shallow wait-for-done filter\n", &mut out);
        encode::data(b"server-option\n", &mut out);
        encode::data(b"object-format=sha1\n", &mut out);
        encode::flush(&mut out);
        out.into()
    });
    RENDERED.clone()
}

/// Renders all refs of a view, `HEAD` first, with the capabilities behind the first one.
pub(super) fn render_refs(view: &RefsView, version: Version) -> Bytes {
    let mut out = Vec::with_capacity(512 + 96 * view.refs().len());
    encode::data(b"# service=git-upload-pack\n", &mut out);
    encode::flush(&mut out);
    if version == Version::V1 {
        encode::data(b"version 1\n", &mut out);
    }
    let mut lines = Lines { out, capabilities: Some(capabilities_behind_ref(view)) };
    if let Some(value) = view.head_value() {
        lines.add(Some(value), "HEAD", "");
    }
    for seen in view.refs() {
        lines.add(Some(seen.value), seen.name.as_str(), "");
        if seen.peeled.is_some() {
            lines.add(seen.peeled, seen.name.as_str(), "^{}");
        }
    }
    if lines.capabilities.is_some() {
        lines.add(None, "capabilities", "^{}");
    }
    let mut out = lines.out;
    encode::flush(&mut out);
    out.into()
}

fn capabilities_behind_ref(view: &RefsView) -> String {
    let symref = match view.head_value() {
        Some(_) => format!(" symref=HEAD:{}", view.head()),
        None => String::new(),
    };
    format!("{BEFORE_SYMREF}{symref} filter object-format=sha1 agent={AGENT}")
}

struct Lines {
    out: Vec<u8>,
    /// Until the first line took them.
    capabilities: Option<String>,
}

impl Lines {
    fn add(&mut self, value: Option<CommitId>, name: &str, ending: &str) {
        let capabilities = self.capabilities.take();
        packet::packet(&mut self.out, |out| {
            match value {
                Some(value) => packet::id(out, value),
                None => out.extend_from_slice(&[b'0'; 40]),
            }
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(ending.as_bytes());
            if let Some(capabilities) = capabilities {
                out.push(0);
                out.extend_from_slice(capabilities.as_bytes());
            }
            out.push(b'\n');
        });
    }
}
