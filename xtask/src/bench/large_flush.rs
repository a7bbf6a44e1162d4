//! A flush of many changes onto a long history: bytes sent, and CPU.

use std::path::Path;

use mirror_core::name::CommitId;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::Fixture;
use super::material::{self, CHANGES, COMMITS, LONG};
use super::meter::Usage;
use super::progress;
use super::repeat::{Both, Series};
use crate::run::Outcome;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut fixture = Fixture::new(program, ProxyKind::Embedded);
    let long = material::long(fixture.sandbox())?;
    let promoted = material::promoted(fixture.sandbox())?;
    let upstream = fixture.sandbox().bare_clone(long.path(), "long");
    let (Some(before), Some(after)) = (upstream.branch("gitops"), promoted.branch("gitops")) else {
        return Err("the repository has no branch gitops".to_owned());
    };
    let url = fixture.use_upstream(&upstream);
    progress("a flush of many changes onto a long history");
    fixture.mirror(&["sync", "--confirm"])?;
    let cache = fixture.cache();
    let clone = Repository::at(&fixture.path("clone.git"), fixture.sandbox().git());
    fixture.git(fixture.sandbox().path(), &["clone", "--quiet", "--bare", &url, &clone.path().to_string_lossy()])?;
    for local in [&cache, &clone] {
        local.run(["fetch", "--quiet", &promoted.path().to_string_lossy(), "refs/heads/gitops:refs/heads/gitops"]);
    }

    let mut sent = (Vec::new(), Vec::new());
    let mut again = |bytes: &mut Vec<f64>, run: &dyn Fn() -> Outcome<Usage>| {
        upstream.set_ref("refs/heads/gitops", before);
        cache.set_ref("refs/mirror-stage/heads/gitops", before);
        let usage = counted(&fixture, bytes, run)?;
        proved(&upstream, after)?;
        Ok(usage)
    };
    let mut both = Both::default();
    for run in 0..runs {
        let (ours, theirs) = (&mut sent.0, &mut sent.1);
        let again = std::cell::RefCell::new(&mut again);
        both.add(
            run,
            || again.borrow_mut()(ours, &|| fixture.mirror(&["flush", "--confirm"])),
            || again.borrow_mut()(theirs, &|| fixture.git(clone.path(), &["push", "--quiet", "origin", "gitops"])),
        )?;
    }
    let (ours, theirs) = both.medians(|usage| usage.wall);
    let (our_cpu, their_cpu) = both.medians(|usage| usage.cpu);
    let (peak, their_peak) = both.medians(|usage| usage.peak);
    Ok(Figure {
        name: "large-flush",
        title: format!("a flush of {COMMITS} commits, {CHANGES} changed files each, on top of {LONG} commits"),
        against: "git push",
        readings: vec![
            Reading::of("bytes sent", Unit::Bytes, Series::median(sent.0), Series::median(sent.1))
                .reach(Reach::RatioAtMost(1.5)),
            Reading::of("CPU", Unit::Seconds, our_cpu, their_cpu).reach(Reach::RatioAtMost(1.0)),
            Reading::of("wall", Unit::Seconds, ours, theirs),
            Reading::of("peak memory", Unit::Bytes, peak, their_peak),
        ],
    })
}

/// Runs one side and counts the bytes it sent through the proxy, SSH's own included.
fn counted(fixture: &Fixture, bytes: &mut Vec<f64>, run: &dyn Fn() -> Outcome<Usage>) -> Outcome<Usage> {
    let before = fixture.through_the_proxy().tunnels.len();
    let usage = run()?;
    let tunnels = fixture.through_the_proxy().tunnels;
    bytes.push(tunnels[before..].iter().map(|tunnel| tunnel.to_target as f64).sum());
    Ok(usage)
}

fn proved(upstream: &Repository, wanted: CommitId) -> Outcome {
    if upstream.branch("gitops") == Some(wanted) {
        Ok(())
    } else {
        Err("upstream does not have the commits".to_owned())
    }
}
