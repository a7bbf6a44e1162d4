//! The one place that prints: reports and documents on stdout, progress, logs and errors on stderr.
//!
//! Text is made by pure functions from report types and an explicit [`View`]; nothing here decides what happened.

mod clean;
mod error;
mod log;
mod look;
mod measure;
mod out;
mod page;
mod progress;
mod talk;
pub mod text;

pub use clean::clean;
pub use error::draw;
pub use log::{LogForm, start as start_log};
pub use look::{Colour, Look, Mark, Marks, Tone};
pub use measure::{ago, coarse, count, size, took};
pub use out::{Out, Shown, log_level};
pub use page::{Cell, Page, Row};
pub use progress::{Chatter, Progress, Steps};
pub use talk::Talk;
pub use text::{Detail, View};
