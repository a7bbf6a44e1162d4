//! Listings beside very many snapshots, as pollers ask for them: version 0 (Argo CD and Flux, by go-git) and version 2 (git).

use std::path::Path;

use mirror_tests::generate::snapshots;
use mirror_tests::world::ProxyKind;

use super::baselines::Nginx;
use super::load::{self, Rate, Request};
use super::{PATH, baseline_of, provide, serve, synced, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::fixture::{Fixture, GROUP, SNAPSHOTS};
use crate::bench::repeat::Series;
use crate::bench::{material, progress};
use crate::run::Outcome;

const MANY: usize = 100_000;
const CONNECTIONS: u32 = 8;
const SECONDS: u32 = 2;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    provide()?;
    let without = synced(program, ProxyKind::None, |fixture| material::long(fixture.sandbox()))?;
    let with = synced(program, ProxyKind::None, |fixture| material::long(fixture.sandbox()))?;
    // Both have their refs in one file, as maintenance leaves them.
    without.cache().run(["pack-refs", "--all"]);
    snapshots(&with.cache(), SNAPSHOTS, GROUP, "main", MANY);
    let (projects, baseline) = baseline_of(&with, PATH)?;
    for hidden in [SNAPSHOTS, "refs/mirror-stage"] {
        baseline.run(["config", "--add", "transfer.hideRefs", hidden]);
    }
    let nginx = Nginx::start(with.sandbox(), &projects, &projects)?;
    let (few, many) = (serve(&without)?, serve(&with)?);
    let mut readings = Vec::new();
    for version in [0, 2] {
        progress(&format!("listings of version {version} beside 100,000 snapshots"));
        let ask = |repository: String| question(version, &repository);
        let (here, there) = (ask(many.url(PATH)), ask(few.url(PATH)));
        let backend = ask(nginx.git(PATH));
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        let sides = [(&with, &here), (&without, &there), (&with, &backend)];
        for run in 0..runs {
            // Each of ours follows git's own, which leaves the machine busy for a moment.
            for side in if run % 2 == 0 { [2, 0, 1] } else { [2, 1, 0] } {
                let (fixture, request) = sides[side];
                rates[side].push(put(fixture, request)?);
            }
        }
        let of = |side: usize, of: fn(&Rate) -> f64| Series::median(rates[side].iter().map(of).collect());
        let [requests, bytes, p99] =
            if version == 0 { ["v0 requests", "v0 bytes", "v0 p99"] } else { ["v2 requests", "v2 bytes", "v2 p99"] };
        let at = ["at 100,000", "at 0"];
        readings.push(
            Reading::of(requests, Unit::RequestsPerSecond, of(0, |rate| rate.requests), of(1, |rate| rate.requests))
                .between(at[0], at[1])
                .reach(Reach::RatioAtLeast(0.95)),
        );
        readings.push(
            Reading::of(bytes, Unit::Bytes, of(0, |rate| rate.bytes), of(1, |rate| rate.bytes))
                .between(at[0], at[1])
                .reach(Reach::RatioAtMost(1.0005)),
        );
        readings.push(
            Reading::of(p99, Unit::Seconds, of(0, |rate| rate.p99), of(1, |rate| rate.p99)).between(at[0], at[1]),
        );
        readings.push(
            Reading::of(requests, Unit::RequestsPerSecond, of(0, |rate| rate.requests), of(2, |rate| rate.requests))
                .reach(Reach::RatioAtLeast(50.0)),
        );
    }
    Ok(Figure {
        name: "listing",
        title: format!("listings beside {MANY} snapshots, by {CONNECTIONS} clients"),
        against: "the same repository without snapshots; git-http-backend behind nginx, snapshots hidden",
        readings,
    })
}

fn question(version: u8, repository: &str) -> Request {
    match version {
        0 => Request { url: format!("{repository}/info/refs?service=git-upload-pack"), version, body: None },
        _ => Request { url: format!("{repository}/git-upload-pack"), version, body: Some(wire::ls_refs()) },
    }
}

fn put(fixture: &Fixture, request: &Request) -> Outcome<Rate> {
    load::put(fixture.sandbox(), request, CONNECTIONS, SECONDS)
}
