//! How much memory a git may take to read and to make packs. Values only.

/// Bounds of the memory of one git, each a setting of git's own.
///
/// # Source
/// `git-config(1)`, under the names that [`PackCaps::settings`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackCaps {
    /// Threads that search for deltas; each has a window of its own.
    pub threads: u32,
    /// Bytes of one thread's delta window.
    pub window_memory: u64,
    /// Bytes of deltas that are kept between finding and writing them.
    pub delta_cache: u64,
    /// Bytes from which on a blob is streamed, and no delta of it is searched.
    pub big_file: u64,
    /// Bytes of packs that are mapped at once.
    pub packed_limit: u64,
    /// Bytes of one such mapping.
    pub packed_window: u64,
    /// Bytes of objects that are kept because deltas refer to them.
    pub delta_base_cache: u64,
}

const MIB: u64 = 1 << 20;

impl Default for PackCaps {
    /// What lets four packs of a middling repository be made beside each other in a small container.
    fn default() -> Self {
        Self {
            threads: 1,
            window_memory: 32 * MIB,
            delta_cache: 16 * MIB,
            big_file: 16 * MIB,
            packed_limit: 128 * MIB,
            packed_window: 32 * MIB,
            delta_base_cache: 32 * MIB,
        }
    }
}

impl PackCaps {
    /// Gives git's names of the settings, with their values.
    pub fn settings(&self) -> [(&'static str, u64); 7] {
        [
            ("pack.threads", u64::from(self.threads)),
            ("pack.windowMemory", self.window_memory),
            ("pack.deltaCacheSize", self.delta_cache),
            ("core.bigFileThreshold", self.big_file),
            ("core.packedGitLimit", self.packed_limit),
            ("core.packedGitWindowSize", self.packed_window),
            ("core.deltaBaseCacheLimit", self.delta_base_cache),
        ]
    }
}
