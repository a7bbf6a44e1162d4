//! A gate in a stream of bytes: open up to a byte, then shut.

/// Lets so many bytes pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    left: Option<u64>,
}

impl Gate {
    /// A gate that shuts after so many bytes; without a number, never.
    pub(crate) fn after(bytes: Option<u64>) -> Self {
        Self { left: bytes }
    }

    /// Says how many of `wanted` bytes may pass.
    pub(crate) fn allows(&self, wanted: usize) -> usize {
        self.left.map_or(wanted, |left| wanted.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// Counts bytes that passed.
    pub(crate) fn passed(&mut self, bytes: usize) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// Says whether it is shut.
    pub(crate) fn is_shut(&self) -> bool {
        self.left == Some(0)
    }
}
