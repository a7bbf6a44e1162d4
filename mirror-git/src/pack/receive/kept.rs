//! The deltas that the first pass keeps, so that the second need not read and inflate them again.
//!
//! Owns the bound on it: one buffer that fills up once. Never: what is needed for a result.

/// Instructions of some of a pack's deltas.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    /// For each entry where its instructions begin, if they were kept.
    starts: Vec<Option<u32>>,
    current: Option<u32>,
}

impl Kept {
    /// All kept instructions together.
    const BOUND: u64 = 32 << 20;
    /// The largest that are kept.
    const LARGEST: u64 = 64 << 10;

    /// Begins the next entry, a delta with this many bytes of instructions.
    pub(super) fn begin(&mut self, size: u64) {
        let start = self.bytes.len() as u64;
        self.current = (size <= Self::LARGEST && start + size <= Self::BOUND).then_some(start as u32);
    }

    /// Takes some of its instructions.
    pub(super) fn take(&mut self, piece: &[u8]) {
        if self.current.is_some() {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Ends the entry, or passes over one that is no delta.
    pub(super) fn end(&mut self) {
        self.starts.push(self.current.take());
    }

    /// Gives the instructions of a delta, if they were kept.
    pub(super) fn get(&self, entry: u32, size: u64) -> Option<&[u8]> {
        let start = usize::try_from((*self.starts.get(entry as usize)?)?).ok()?;
        self.bytes.get(start..start + usize::try_from(size).ok()?)
    }
}
