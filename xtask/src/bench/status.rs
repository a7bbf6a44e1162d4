//! The status of a cache with few and with very many snapshots, whole process.

use std::path::Path;

use mirror_tests::generate::snapshots;
use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::{Fixture, GROUP, SNAPSHOTS, copy};
use super::repeat::{Both, median_of};
use super::{material, progress};
use crate::run::Outcome;

/// The small number of snapshots.
const FEW: usize = 100;
/// What is the same within noise: this is far below what any listing of [`MANY`] refs would cost.
const SAME: f64 = 1.1;
/// The large number of snapshots.
const MANY: usize = 100_000;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut fixture = Fixture::new(program, ProxyKind::None);
    let upstream = material::long(fixture.sandbox())?;
    fixture.use_upstream(&upstream);
    let (few, many) = (fixture.path("few"), fixture.path("many"));
    let syncing = fixture.settings("syncing", &few);
    fixture.mirror_by(&syncing, &["sync", "--confirm"])?;
    copy(&few, &many)?;
    snapshots(&fixture.cache_in(&few), SNAPSHOTS, GROUP, "main", FEW);
    snapshots(&fixture.cache_in(&many), SNAPSHOTS, GROUP, "main", MANY);

    progress("the status of a cache with 100,000 snapshots, and with 100");
    let cache = fixture.cache_in(&many);
    let (few, many) = (fixture.settings("few", &few), fixture.settings("many", &many));
    let listed = ["for-each-ref", "refs/heads", "refs/mirror-stage"];
    let mut at_few = Vec::new();
    let both = Both::in_turns(
        runs,
        |_| {
            at_few.push(fixture.mirror_by(&few, &["status"])?);
            fixture.mirror_by(&many, &["status"])
        },
        |_| fixture.git(cache.path(), &listed),
    )?;
    let (ours, theirs) = both.medians(|usage| usage.wall);
    let (our_cpu, their_cpu) = both.medians(|usage| usage.cpu);
    let at_few = median_of(&at_few, |usage| usage.wall);
    let (peak, their_peak) = both.medians(|usage| usage.peak);
    let ours_again = ours.clone();
    Ok(Figure {
        name: "status",
        title: format!("the status of a cache of {MANY} snapshots, whole process"),
        against: "git for-each-ref refs/heads refs/mirror-stage",
        readings: vec![
            Reading::of("wall", Unit::Seconds, ours, theirs).reach(Reach::RatioAtMost(2.0)),
            Reading::of("CPU", Unit::Seconds, our_cpu, their_cpu),
            Reading::of("wall, at 100,000 and at 100", Unit::Seconds, ours_again, at_few)
                .between("at 100,000", "at 100")
                .reach(Reach::RatioAtMost(SAME)),
            Reading::of("peak memory", Unit::Bytes, peak, their_peak).reach(Reach::AtMost(30e6)),
        ],
    })
}
