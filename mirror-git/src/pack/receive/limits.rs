//! How much a pack may hold before it is refused.

/// Bounds on a pack that comes in.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most objects in one pack.
    pub objects: u32,
    /// The most bytes of one object, inflated. A pack can claim any size in a few bytes.
    pub object_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { objects: 100_000_000, object_bytes: 2 << 30 }
    }
}
