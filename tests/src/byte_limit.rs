//! A limit on a stream of bytes, after which a fault takes effect.

/// Counts bytes up to a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteLimit {
    left: Option<u64>,
}

impl ByteLimit {
    /// A limit that is reached after so many bytes; without a number, never.
    pub(crate) fn after(bytes: Option<u64>) -> Self {
        Self { left: bytes }
    }

    /// Gives how many of `wanted` bytes are within the limit.
    pub(crate) fn allows(&self, wanted: usize) -> usize {
        self.left.map_or(wanted, |left| wanted.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// Counts bytes that were transferred.
    pub(crate) fn passed(&mut self, bytes: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// Whether the limit is reached.
    pub(crate) fn is_reached(&self) -> bool {
        self.left == Some(0)
    }
}
