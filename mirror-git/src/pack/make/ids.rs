//! Maps and sets keyed by object ids. An id is a hash already: its first bytes place it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use gix_hash::ObjectId;

/// A set of object ids.
pub(super) type IdSet = HashSet<ObjectId, BuildHasherDefault<FirstBytes>>;

/// A map from object ids.
pub(super) type IdMap<V> = HashMap<ObjectId, V, BuildHasherDefault<FirstBytes>>;

/// Takes the first eight bytes that are written for the hash.
#[derive(Debug, Default, Clone)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}
