//! The two waits of an operation: for its turn on a cache, and for its end where another process runs it.

use std::time::Duration;

/// Whether an operation waits for its turn where another one holds the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitForTurn {
    /// A busy cache ends the operation at once.
    No,
    /// It waits, at most this long.
    UpTo(Duration),
}

/// Whether the caller waits for the end of an operation that another process runs. One that runs here is always followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitForEnd {
    /// The caller goes on as soon as the request is taken.
    No,
    /// The caller follows the operation, at most this long.
    UpTo(Duration),
}
