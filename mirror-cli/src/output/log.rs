//! The log on stderr, by the number of `-v`.

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::time::SystemTime;

use super::stderr::Talk;
use super::style::{Colour, Look};

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For a person who watches one operation.
    Short,
    /// For a server: with the time of every line.
    Timed,
    /// For a server whose log is read by programs: one JSON document a line.
    Json,
}

/// Starts the log of this process. A second start changes nothing.
pub fn start(talk: Talk, look: Look, level: LevelFilter, form: LogForm) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(talk)
        .with_ansi(look.colour == Colour::On)
        .with_target(level > LevelFilter::INFO);
    let log: Box<dyn Subscriber + Send + Sync> = match form {
        LogForm::Short => Box::new(log.without_time().finish()),
        LogForm::Timed => Box::new(log.with_timer(SystemTime).finish()),
        LogForm::Json => Box::new(log.with_timer(SystemTime).json().flatten_event(true).with_span_list(false).finish()),
    };
    let _ = tracing::subscriber::set_global_default(log);
}
