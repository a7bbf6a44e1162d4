//! How long each phase of a connection may take.

use std::time::Duration;

/// Bounds each phase of the road to upstream.
///
/// The layers of this crate enforce the first three; `total` bounds a whole operation and belongs to whoever runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Name lookup, TCP and CONNECT together.
    pub connect: Duration,
    /// From the first SSH byte to an accepted login.
    pub handshake: Duration,
    /// The longest silence on a stream that somebody waits for.
    pub idle: Duration,
    /// The whole operation.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(20),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(15 * 60),
        }
    }
}
