//! `cargo xtask bench`: speed and memory against git, both sides in one run, ratios first.

use clap::Args;

use crate::run::Outcome;

/// What to measure.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Writes the figures to a file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
}

/// Measures.
pub(crate) fn bench(_arguments: &Arguments) -> Outcome {
    Err("no figures yet".to_owned())
}
