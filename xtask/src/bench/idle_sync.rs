//! A sync with nothing to do, in round trips: the slope of wall time over chosen delays, which is independent of noise.

use std::path::Path;
use std::time::Duration;

use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::Fixture;
use super::meter::Usage;
use super::progress;
use super::repeat::{Both, Series};
use crate::run::Outcome;

/// The delays between which the slope is taken, in milliseconds.
const ROUND_TRIPS: [u64; 3] = [20, 60, 120];

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let fixture = Fixture::new(program, ProxyKind::Embedded);
    progress("a sync with nothing to do, over three delays");
    fixture.upstream().commit("main").file("a.txt", "one\n").make();
    fixture.upstream().commit("gitops").root().file("deployed", "nothing yet\n").make();
    fixture.mirror(&["sync", "--confirm"])?;
    let mirror = fixture.path("git-mirror.git");
    let url = fixture.url(fixture.upstream());
    fixture.git(fixture.sandbox().path(), &["clone", "--quiet", "--mirror", &url, &mirror.to_string_lossy()])?;

    let ours = |_| fixture.mirror(&["sync", "--confirm"]);
    let theirs = |_| fixture.git(&mirror, &["fetch", "--quiet", "origin"]);
    let (ours, theirs) = slopes(&fixture, runs, ours, theirs)?;
    Ok(Figure {
        name: "idle-sync",
        title: "a sync with nothing to do".to_owned(),
        against: "git fetch",
        readings: vec![Reading::of("round trips", Unit::RoundTrips, ours, theirs).reach(Reach::AtMost(8.0))],
    })
}

/// Measures both sides' round trips, ours first.
pub(super) fn slopes(
    fixture: &Fixture,
    runs: u32,
    mut ours: impl FnMut(u32) -> Outcome<Usage>,
    mut theirs: impl FnMut(u32) -> Outcome<Usage>,
) -> Outcome<(Series, Series)> {
    let mut walls = (Vec::new(), Vec::new());
    for round_trip in ROUND_TRIPS {
        fixture.set_round_trip(Duration::from_millis(round_trip));
        let both = Both::in_turns(runs, &mut ours, &mut theirs)?;
        let (ours, theirs) = both.medians(|usage| usage.wall);
        walls.0.push(ours.runs);
        walls.1.push(theirs.runs);
    }
    fixture.set_round_trip(Duration::ZERO);
    let seconds = ROUND_TRIPS.map(|round_trip| Duration::from_millis(round_trip).as_secs_f64());
    Ok((Series::slope(&seconds, &walls.0), Series::slope(&seconds, &walls.1)))
}
