//! A sync of one new commit into a cache with very many snapshots.

use std::path::Path;

use mirror_tests::generate::snapshots;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::{GROUP, SNAPSHOTS, Stage};
use super::repeat::Both;
use super::{material, tell};
use crate::run::Outcome;

/// So many snapshots both sides have.
const SNAPSHOTS_HERE: usize = 100_000;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut stage = Stage::set(program, ProxyKind::Embedded);
    let kept = material::long(stage.sandbox())?;
    let upstream = stage.sandbox().bare_clone(kept.path(), "long");
    let url = stage.turn_to(&upstream);
    tell("a sync of one commit into a cache with 100,000 snapshots");
    stage.mirror(&["sync", "--confirm"])?;
    snapshots(&stage.cache(), SNAPSHOTS, GROUP, "main", SNAPSHOTS_HERE);
    let mirror = Repository::at(&stage.place("mirror.git"), stage.sandbox().git());
    stage.git(stage.sandbox().path(), &["clone", "--quiet", "--mirror", &url, &mirror.path().to_string_lossy()])?;
    snapshots(&mirror, SNAPSHOTS, GROUP, "main", SNAPSHOTS_HERE);

    let mut commits = 0;
    let mut both = Both::default();
    for run in 0..runs {
        commits += 1;
        let tip = upstream.commit("main").file("news.txt", format!("{commits}\n")).make();
        both.add(
            run,
            || stage.mirror(&["sync", "--confirm"]),
            || stage.git(mirror.path(), &["fetch", "--quiet", "origin"]),
        )?;
        if stage.cache().branch("main") != Some(tip) || mirror.branch("main") != Some(tip) {
            return Err("a side does not have the new commit".to_owned());
        }
    }
    let (ours, theirs) = both.medians(|usage| usage.wall);
    let (our_cpu, their_cpu) = both.medians(|usage| usage.cpu);
    let (peak, their_peak) = both.medians(|usage| usage.peak);
    Ok(Figure {
        name: "one-commit",
        title: format!("a sync of one new commit into a cache of {SNAPSHOTS_HERE} snapshots"),
        against: "git fetch into a mirror with the same refs",
        readings: vec![
            Reading::of("wall", Unit::Seconds, ours, theirs).reach(Reach::RatioAtMost(0.1)),
            Reading::of("CPU", Unit::Seconds, our_cpu, their_cpu),
            Reading::of("peak memory", Unit::Bytes, peak, their_peak),
        ],
    })
}
