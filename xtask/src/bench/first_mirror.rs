//! The first mirror of a repository as teams have it.

use std::path::Path;

use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::Fixture;
use super::repeat::Both;
use super::{material, progress};
use crate::run::Outcome;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut fixture = Fixture::new(program, ProxyKind::Tinyproxy);
    let upstream = material::grown(fixture.sandbox())?;
    let url = fixture.use_upstream(&upstream);
    let objects = upstream.run(["count-objects", "-v"]);
    let counted = |key: &str| {
        let line = objects.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        line.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    let (objects, kibibytes) = (counted("in-pack"), counted("size-pack"));

    progress("the first mirror of a whole repository");
    let folder = fixture.sandbox().path().to_owned();
    let (cache, clone) = (fixture.path("cache"), fixture.path("clone.git"));
    let cloned = clone.to_string_lossy().into_owned();
    let both = Both::in_turns(
        runs,
        |_| {
            material::clear(&cache)?;
            fixture.mirror(&["sync", "--confirm"])
        },
        |_| {
            material::clear(&clone)?;
            fixture.git(&folder, &["clone", "--quiet", "--mirror", &url, &cloned])
        },
    )?;
    fixture.cache().fsck();
    let (ours, theirs) = both.medians(|usage| usage.wall);
    let (our_cpu, their_cpu) = both.medians(|usage| usage.cpu);
    let (peak, their_peak) = both.medians(|usage| usage.peak);
    let megabytes = kibibytes * 1024 / 1_000_000;
    Ok(Figure {
        name: "first-mirror",
        title: format!("the first mirror of {objects} objects, {megabytes} MB, through sshd and a proxy"),
        against: "git clone --mirror",
        readings: vec![
            Reading::of("wall", Unit::Seconds, ours, theirs).reach(Reach::RatioAtMost(0.5)),
            Reading::of("CPU", Unit::Seconds, our_cpu, their_cpu).reach(Reach::RatioAtMost(0.4)),
            Reading::of("peak memory", Unit::Bytes, peak, their_peak).reach(Reach::AtMost(250e6)),
        ],
    })
}
