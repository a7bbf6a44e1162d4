//! A flush of one commit and its proof: round trips, and tunnels.

use std::path::Path;

use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::Fixture;
use super::idle_sync::slopes;
use super::meter::Usage;
use super::progress;
use super::repeat::Series;
use crate::run::Outcome;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let fixture = Fixture::new(program, ProxyKind::Embedded);
    progress("a flush of one commit, over three delays");
    fixture.upstream().commit("main").file("a.txt", "one\n").make();
    fixture.upstream().commit("gitops").root().file("deployed", "nothing yet\n").make();
    // Each side has an upstream of its own, or one side's commit would be new for the other.
    let other = fixture.sandbox().bare_clone(fixture.upstream().path(), "other");
    fixture.mirror(&["sync", "--confirm"])?;
    let clone = fixture.path("clone.git");
    fixture.git(
        fixture.sandbox().path(),
        &["clone", "--quiet", "--bare", &fixture.url(&other), &clone.to_string_lossy()],
    )?;
    let clone = Repository::at(&clone, fixture.sandbox().git());
    clone.configure("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");

    let mut tunnels = (Vec::new(), Vec::new());
    let ours = |_| {
        promote(&fixture.cache());
        counted(&fixture, &mut tunnels.0, || fixture.mirror(&["flush", "--confirm"]))
    };
    let theirs = |_| {
        promote(&clone);
        counted(&fixture, &mut tunnels.1, || prove(&fixture, clone.path()))
    };
    let (ours, theirs) = slopes(&fixture, runs, ours, theirs)?;
    Ok(Figure {
        name: "proved-flush",
        title: "a flush of one commit, proved".to_owned(),
        against: "git fetch && git push && git fetch",
        readings: vec![
            Reading::of("round trips", Unit::RoundTrips, ours, theirs).reach(Reach::AtMost(11.0)),
            Reading::of("tunnels", Unit::Tunnels, Series::median(tunnels.0), Series::median(tunnels.1))
                .reach(Reach::Exactly(1.0)),
        ],
    })
}

fn promote(repository: &Repository) {
    let tip = repository.branch("gitops").map(|tip| tip.to_string()).unwrap_or_default();
    repository.commit("gitops").file("deployed", format!("on top of {tip}\n")).make();
}

fn prove(fixture: &Fixture, clone: &Path) -> Outcome<Usage> {
    let fetch = ["fetch", "--quiet", "origin"];
    fixture.gits(clone, &[&fetch, &["push", "--quiet", "origin", "gitops"], &fetch])
}

/// Runs one side and counts the tunnels it opened.
fn counted(fixture: &Fixture, tunnels: &mut Vec<f64>, run: impl FnOnce() -> Outcome<Usage>) -> Outcome<Usage> {
    let before = fixture.through_the_proxy().tunnels.len();
    let usage = run()?;
    tunnels.push((fixture.through_the_proxy().tunnels.len() - before) as f64);
    Ok(usage)
}
