//! Several runs of both sides, alternating, and their one figure.

use serde::Serialize;

use super::meter::Usage;
use crate::run::Outcome;

/// The runs of one side, and their one figure.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Series {
    /// The median of the runs, or the slope over them.
    pub(super) value: f64,
    /// The runs in their order.
    pub(super) runs: Vec<f64>,
}

impl Series {
    /// Takes the median.
    pub(super) fn median(runs: Vec<f64>) -> Self {
        Self { value: median(&runs), runs }
    }

    /// Takes the slope of the medians over `at`: the runs are grouped, one group for each of `at`.
    pub(super) fn slope(at: &[f64], groups: &[Vec<f64>]) -> Self {
        let points: Vec<_> = at.iter().copied().zip(groups.iter().map(|group| median(group))).collect();
        Self { value: slope(&points), runs: groups.concat() }
    }
}

/// The usages of both sides.
#[derive(Debug, Default)]
pub(super) struct Both {
    pub(super) ours: Vec<Usage>,
    pub(super) theirs: Vec<Usage>,
}

impl Both {
    /// Runs both sides so often, alternating which is first: drift of the machine affects both.
    pub(super) fn in_turns(
        runs: u32,
        mut ours: impl FnMut(u32) -> Outcome<Usage>,
        mut theirs: impl FnMut(u32) -> Outcome<Usage>,
    ) -> Outcome<Self> {
        let mut both = Self::default();
        for run in 0..runs {
            both.add(run, || ours(run), || theirs(run))?;
        }
        Ok(both)
    }

    /// Adds one run of each side; which one is first changes with the run's number.
    pub(super) fn add(
        &mut self,
        run: u32,
        ours: impl FnOnce() -> Outcome<Usage>,
        theirs: impl FnOnce() -> Outcome<Usage>,
    ) -> Outcome {
        if run.is_multiple_of(2) {
            self.ours.push(ours()?);
            self.theirs.push(theirs()?);
        } else {
            self.theirs.push(theirs()?);
            self.ours.push(ours()?);
        }
        Ok(())
    }

    /// Gives the medians of one measure, ours first.
    pub(super) fn medians(&self, of: impl Fn(&Usage) -> f64) -> (Series, Series) {
        (median_of(&self.ours, &of), median_of(&self.theirs, &of))
    }
}

/// Gives the median of one measure of one side.
pub(super) fn median_of(runs: &[Usage], of: impl Fn(&Usage) -> f64) -> Series {
    Series::median(runs.iter().map(of).collect())
}

fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The slope of the line with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let rise: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let run: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    rise / run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_represents_the_runs() {
        assert_eq!(Series::median(vec![3.0, 1.0, 2.0]).value, 2.0);
        assert_eq!(Series::median(vec![4.0, 1.0, 2.0, 3.0]).value, 2.5);
        assert!(Series::median(Vec::new()).value.is_nan());
    }

    #[test]
    fn a_slope_excludes_constant_costs() {
        let wall = |round_trip: f64| vec![0.5 + 8.0 * round_trip, 0.5 + 8.0 * round_trip, 99.0];
        let series = Series::slope(&[0.02, 0.06, 0.12], &[wall(0.02), wall(0.06), wall(0.12)]);
        assert!((series.value - 8.0).abs() < 1e-9, "{series:?}");
        assert_eq!(series.runs.len(), 9);
    }
}
