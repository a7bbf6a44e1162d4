//! The log on stderr, by the number of `-v`.

use tracing::level_filters::LevelFilter;

use super::look::{Colour, Look};
use super::talk::Talk;

/// Starts the log of this process. A second start changes nothing.
pub fn start(talk: Talk, look: Look, level: LevelFilter) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(talk)
        .with_ansi(look.colour == Colour::On)
        .with_target(level > LevelFilter::INFO)
        .without_time()
        .finish();
    let _ = tracing::subscriber::set_global_default(log);
}
