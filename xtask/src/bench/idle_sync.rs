//! A sync with nothing to do, in round trips: the slope of wall time over chosen delays, which noise cannot move.

use std::path::Path;
use std::time::Duration;

use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::Stage;
use super::meter::Usage;
use super::repeat::{Both, Series};
use super::tell;
use crate::run::Outcome;

/// The delays between which the slope is taken, in milliseconds.
const ROUND_TRIPS: [u64; 3] = [20, 60, 120];

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let stage = Stage::set(program, ProxyKind::Embedded);
    tell("a sync with nothing to do, over three delays");
    stage.upstream().commit("main").file("a.txt", "one\n").make();
    stage.upstream().commit("gitops").root().file("deployed", "nothing yet\n").make();
    stage.mirror(&["sync", "--confirm"])?;
    let mirror = stage.place("git-mirror.git");
    let url = stage.url(stage.upstream());
    stage.git(stage.sandbox().path(), &["clone", "--quiet", "--mirror", &url, &mirror.to_string_lossy()])?;

    let ours = |_| stage.mirror(&["sync", "--confirm"]);
    let theirs = |_| stage.git(&mirror, &["fetch", "--quiet", "origin"]);
    let (ours, theirs) = slopes(&stage, runs, ours, theirs)?;
    Ok(Figure {
        name: "idle-sync",
        title: "a sync with nothing to do".to_owned(),
        against: "git fetch",
        readings: vec![Reading::of("round trips", Unit::RoundTrips, ours, theirs).reach(Reach::AtMost(8.0))],
    })
}

/// Measures both sides' round trips, ours first.
pub(super) fn slopes(
    stage: &Stage,
    runs: u32,
    mut ours: impl FnMut(u32) -> Outcome<Usage>,
    mut theirs: impl FnMut(u32) -> Outcome<Usage>,
) -> Outcome<(Series, Series)> {
    let mut walls = (Vec::new(), Vec::new());
    for round_trip in ROUND_TRIPS {
        stage.set_round_trip(Duration::from_millis(round_trip));
        let both = Both::in_turns(runs, &mut ours, &mut theirs)?;
        let (ours, theirs) = both.medians(|usage| usage.wall);
        walls.0.push(ours.runs);
        walls.1.push(theirs.runs);
    }
    stage.set_round_trip(Duration::ZERO);
    let seconds = ROUND_TRIPS.map(|round_trip| Duration::from_millis(round_trip).as_secs_f64());
    Ok((Series::slope(&seconds, &walls.0), Series::slope(&seconds, &walls.1)))
}
