//! A sync of one new commit into a cache with very many snapshots.

use std::path::Path;

use mirror_tests::generate::snapshots;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::{Fixture, GROUP, SNAPSHOTS};
use super::repeat::Both;
use super::{material, progress};
use crate::run::Outcome;

/// How many snapshots both sides have.
const SNAPSHOTS_HERE: usize = 100_000;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut fixture = Fixture::new(program, ProxyKind::Embedded);
    let long = material::long(fixture.sandbox())?;
    let upstream = fixture.sandbox().bare_clone(long.path(), "long");
    let url = fixture.use_upstream(&upstream);
    progress("a sync of one commit into a cache with 100,000 snapshots");
    fixture.mirror(&["sync", "--confirm"])?;
    snapshots(&fixture.cache(), SNAPSHOTS, GROUP, "main", SNAPSHOTS_HERE);
    let mirror = Repository::at(&fixture.path("mirror.git"), fixture.sandbox().git());
    fixture.git(fixture.sandbox().path(), &["clone", "--quiet", "--mirror", &url, &mirror.path().to_string_lossy()])?;
    snapshots(&mirror, SNAPSHOTS, GROUP, "main", SNAPSHOTS_HERE);

    let mut commits = 0;
    let mut both = Both::default();
    for run in 0..runs {
        commits += 1;
        let tip = upstream.commit("main").file("news.txt", format!("{commits}\n")).make();
        both.add(
            run,
            || fixture.mirror(&["sync", "--confirm"]),
            || fixture.git(mirror.path(), &["fetch", "--quiet", "origin"]),
        )?;
        if fixture.cache().branch("main") != Some(tip) || mirror.branch("main") != Some(tip) {
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
