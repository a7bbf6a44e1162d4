//! A flush of one commit and its proof: round trips, and tunnels.

use std::path::Path;

use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;

use super::figure::{Figure, Reach, Reading, Unit};
use super::fixture::Stage;
use super::idle_sync::slopes;
use super::meter::Usage;
use super::repeat::Series;
use super::tell;
use crate::run::Outcome;

pub(super) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let stage = Stage::set(program, ProxyKind::Embedded);
    tell("a flush of one commit, over three delays");
    stage.upstream().commit("main").file("a.txt", "one\n").make();
    stage.upstream().commit("gitops").root().file("deployed", "nothing yet\n").make();
    // Each side has an upstream of its own, or one side's commit would be news for the other.
    let other = stage.sandbox().bare_clone(stage.upstream().path(), "other");
    stage.mirror(&["sync", "--confirm"])?;
    let clone = stage.place("clone.git");
    stage.git(stage.sandbox().path(), &["clone", "--quiet", "--bare", &stage.url(&other), &clone.to_string_lossy()])?;
    let clone = Repository::at(&clone, stage.sandbox().git());
    clone.configure("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");

    let mut tunnels = (Vec::new(), Vec::new());
    let ours = |_| {
        promote(&stage.cache());
        counted(&stage, &mut tunnels.0, || stage.mirror(&["flush", "--confirm"]))
    };
    let theirs = |_| {
        promote(&clone);
        counted(&stage, &mut tunnels.1, || prove(&stage, clone.path()))
    };
    let (ours, theirs) = slopes(&stage, runs, ours, theirs)?;
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

fn prove(stage: &Stage, clone: &Path) -> Outcome<Usage> {
    let fetch = ["fetch", "--quiet", "origin"];
    stage.gits(clone, &[&fetch, &["push", "--quiet", "origin", "gitops"], &fetch])
}

/// Runs one side and notes how many tunnels it opened.
fn counted(stage: &Stage, tunnels: &mut Vec<f64>, run: impl FnOnce() -> Outcome<Usage>) -> Outcome<Usage> {
    let before = stage.through_the_proxy().tunnels.len();
    let usage = run()?;
    tunnels.push((stage.through_the_proxy().tunnels.len() - before) as f64);
    Ok(usage)
}
