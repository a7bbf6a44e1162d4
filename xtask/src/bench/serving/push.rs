//! A push of one commit, from the start of `git push` until the commit is acknowledged.

use std::path::Path;

use mirror_tests::sandbox::{GitSandbox, Repository};
use mirror_tests::world::ProxyKind;

use super::baselines::Nginx;
use super::{PATH, baseline_of, provide, serve, synced, token};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::meter::{self, Usage};
use crate::bench::repeat::Both;
use crate::bench::{material, progress};
use crate::run::Outcome;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    provide()?;
    let mut fixture = synced(program, ProxyKind::None, |fixture| {
        Ok(fixture.sandbox().bare_clone(material::app(fixture.sandbox())?.path(), "upstream-of-app"))
    })?;
    let token = token(&mut fixture)?;
    let (projects, baseline) = baseline_of(&fixture, PATH)?;
    // The guarantees of the mirror for a push: its objects are checked, and objects and refs are on the disk before it is answered.
    for (key, value) in [("receive.fsckObjects", "true"), ("core.fsync", "all"), ("core.fsyncMethod", "fsync")] {
        baseline.configure(key, value);
    }
    let nginx = Nginx::start(fixture.sandbox(), &projects, &projects)?;
    let server = serve(&fixture)?;
    let ours = pusher(fixture.sandbox(), "ours", &fixture.cache(), &server.url(PATH), Some(&token));
    let theirs = pusher(fixture.sandbox(), "theirs", &baseline, &nginx.git(PATH), None);

    progress("a push of one commit");
    let both = Both::in_turns(runs, |run| push(&ours, run), |run| push(&theirs, run))?;
    for (pusher, there) in [(&ours, fixture.cache()), (&theirs, baseline)] {
        if there.branch("gitops") != pusher.branch("gitops") {
            return Err("an acknowledged push is not there".to_owned());
        }
    }
    let (wall, their_wall) = both.medians(|usage| usage.wall);
    Ok(Figure {
        name: "push",
        title: "a push of one commit by git, acknowledged".to_owned(),
        against: "git-http-backend behind nginx, fsck and fsync on",
        readings: vec![Reading::of("wall", Unit::Seconds, wall, their_wall).reach(Reach::RatioAtMost(1.0))],
    })
}

/// A clone that pushes to a URL.
pub(super) fn pusher(
    sandbox: &GitSandbox,
    name: &str,
    from: &Repository,
    url: &str,
    token: Option<&str>,
) -> Repository {
    let clone = sandbox.bare_clone(from.path(), name);
    clone.configure("remote.mirror.url", url);
    if let Some(token) = token {
        clone.configure("http.extraHeader", &format!("Authorization: Bearer {token}"));
    }
    clone
}

/// Makes a commit, not measured, and pushes it.
pub(super) fn push(clone: &Repository, run: u32) -> Outcome<Usage> {
    clone.commit("gitops").file("deployed", format!("build {run}\n")).message("Promote\n").make();
    let command = clone.git().command(clone.path(), ["push", "--quiet", "mirror", "gitops"]);
    Ok(meter::run(&command)?.well("git push")?.usage)
}
