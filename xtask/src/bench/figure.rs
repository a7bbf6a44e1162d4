//! The figure: measures of both sides, and their targets.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::repeat::Series;
use crate::run::{self, Outcome};

/// One row of the table.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// What is done.
    pub(super) title: String,
    /// The other side.
    pub(super) against: &'static str,
    /// What was measured.
    pub(super) readings: Vec<Reading>,
}

/// One measure of a figure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reading {
    pub(super) measure: &'static str,
    pub(super) unit: Unit,
    /// What the two sides are called.
    pub(super) sides: [&'static str; 2],
    pub(super) ours: Series,
    pub(super) theirs: Series,
    /// Ours divided by theirs.
    pub(super) ratio: f64,
    pub(super) reach: Option<Reach>,
    pub(super) reached: Option<bool>,
}

/// What a measure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unit {
    Seconds,
    Bytes,
    RoundTrips,
    Tunnels,
    RequestsPerSecond,
}

/// The target of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reach {
    /// Ours divided by theirs is at most this.
    RatioAtMost(f64),
    /// Ours divided by theirs is at least this.
    RatioAtLeast(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is exactly this.
    Exactly(f64),
}

impl Reading {
    /// A measure of both sides.
    pub(super) fn of(measure: &'static str, unit: Unit, ours: Series, theirs: Series) -> Self {
        let ratio = ours.value / theirs.value;
        Self { measure, unit, sides: ["ours", "git"], ours, theirs, ratio, reach: None, reached: None }
    }

    /// Names the two sides, where both are ours.
    pub(super) fn between(mut self, one: &'static str, other: &'static str) -> Self {
        self.sides = [one, other];
        self
    }

    /// Sets its target.
    pub(super) fn reach(mut self, reach: Reach) -> Self {
        self.reached = Some(match reach {
            Reach::RatioAtMost(most) => self.ratio <= most,
            Reach::RatioAtLeast(least) => self.ratio >= least,
            Reach::AtMost(most) => self.ours.value <= most,
            Reach::Exactly(wanted) => self.ours.runs.iter().all(|run| *run == wanted),
        });
        self.reach = Some(reach);
        self
    }
}

/// All that was measured in one run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    schema: &'static str,
    machine: Machine,
    pub(super) figures: Vec<Figure>,
}

/// The machine that it was measured on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    cores: usize,
    git: String,
    commit: String,
}

impl Report {
    pub(super) fn of(figures: Vec<Figure>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // What cannot be found out stays empty: the figures do not depend on it.
        let output_of = |words: &[&str]| {
            run::output(Command::new("git").args(words).current_dir(run::root())).unwrap_or_default().trim().to_owned()
        };
        let machine = Machine { cores, git: output_of(&["--version"]), commit: output_of(&["rev-parse", "HEAD"]) };
        Self { schema: "git-mirror/bench/v1", machine, figures }
    }

    /// Writes the report as JSON.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n").map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_knows_whether_its_target_is_met() {
        let reading = |ours: &[f64], theirs: &[f64], reach| {
            let reading =
                Reading::of("wall", Unit::Seconds, Series::median(ours.to_vec()), Series::median(theirs.to_vec()));
            reading.reach(reach).reached
        };
        assert_eq!(reading(&[1.0], &[2.0], Reach::RatioAtMost(0.5)), Some(true));
        assert_eq!(reading(&[1.1], &[2.0], Reach::RatioAtMost(0.5)), Some(false));
        assert_eq!(reading(&[1.0], &[2.0], Reach::RatioAtLeast(0.5)), Some(true));
        assert_eq!(reading(&[1.0], &[2.1], Reach::RatioAtLeast(0.5)), Some(false));
        assert_eq!(reading(&[8.0], &[1.0], Reach::AtMost(8.0)), Some(true));
        assert_eq!(reading(&[8.1], &[9.0], Reach::AtMost(8.0)), Some(false));
        assert_eq!(reading(&[1.0, 1.0, 1.0], &[3.0], Reach::Exactly(1.0)), Some(true));
        // A median would hide the one that is another.
        assert_eq!(reading(&[1.0, 1.0, 2.0], &[3.0], Reach::Exactly(1.0)), Some(false));
    }
}
