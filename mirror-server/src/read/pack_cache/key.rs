//! What an answer is found by.

use std::fmt;

use mirror_core::name::RepositoryName;
use ring::digest::{Context, SHA256};

use crate::read::request::{FetchRequest, Wire};

/// Says which tags there are: a digest of their names and values.
pub(in crate::read) type TagsDigest = [u8; 32];

/// The digest of everything that an answer depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::read) struct Key([u8; 32]);

impl Key {
    /// Makes the key of a request, whose canonical form is given so that it is encoded once. `tags` where the request includes tags.
    pub(in crate::read) fn of(
        repository: &RepositoryName,
        request: &FetchRequest,
        form: &[u8],
        tags: Option<&TagsDigest>,
    ) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(b"git-mirror pack-cache 1\0");
        hash.update(repository.as_str().as_bytes());
        hash.update(match request.wire() {
            Wire::V0 => b"\0v0",
            Wire::V2 => b"\0v2",
        });
        match tags {
            None => hash.update(b"\0"),
            Some(tags) => {
                hash.update(b"\x01");
                hash.update(tags);
            }
        }
        hash.update(form);
        Self(bytes_of(hash.finish()))
    }

    #[cfg(test)]
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the name of an entry's file.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if name.len() != 64 || !name.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&name[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Takes the bytes of a SHA-256.
fn bytes_of(digest: ring::digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("because SHA-256 has 32 bytes")
}

/// The key in hex: the name of its entry's file.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}
