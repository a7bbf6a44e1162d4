//! The one place that prints: reports and documents on stdout, progress, logs and errors on stderr.
//!
//! Text is made by pure functions from report types and an explicit [`View`]; nothing here decides what happened.

mod error;
mod humanize;
mod log;
mod page;
mod printer;
mod progress;
mod sanitize;
mod stderr;
mod style;
pub mod text;

pub use error::draw;
pub use humanize::{ago, coarse, count, size, took};
pub use log::{LogForm, start as start_log};
pub use page::{Cell, Page, Row};
pub use printer::{Out, Shown, log_level};
pub use progress::{Chatter, Progress, Steps};
pub use sanitize::clean;
pub use stderr::Talk;
pub use style::{Colour, Look, Mark, Marks, Tone};
pub use text::{Detail, View};
