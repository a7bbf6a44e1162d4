//! Builds that clone one snapshot repeatedly: the answer is cached, and only has to be sent.

use std::path::Path;

use mirror_tests::sandbox::{GitSandbox, Repository};
use mirror_tests::world::ProxyKind;

use super::baselines::Nginx;
use super::load::{self, Request};
use super::{PATH, baseline_of, provide, serve, synced, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::repeat::Series;
use crate::bench::{material, progress};
use crate::run::Outcome;

const CONNECTIONS: u32 = 8;
const SECONDS: u32 = 4;
/// A fetch takes git some of them.
const SECONDS_OF_GIT: u32 = 16;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    provide()?;
    progress("one snapshot, cloned repeatedly: source text");
    let text = replay(program, runs, material::sources)?;
    // The cheapest case for git: nothing to compress, and no delta to search for.
    progress("one snapshot, cloned repeatedly: files that do not compress");
    let noise = replay(program, runs, material::app)?;
    Ok(Figure {
        name: "warm-clones",
        title: format!(
            "depth-1 fetches of one snapshot, of source text ({:.1} MB) or of noise ({:.1} MB), warm, by {CONNECTIONS} clients",
            text.bytes as f64 / 1e6,
            noise.bytes as f64 / 1e6
        ),
        against: "nginx with the same bytes as a file; git-http-backend behind nginx",
        readings: vec![
            text.beside_nginx("text").reach(Reach::RatioAtLeast(0.7)),
            text.beside_git("text").reach(Reach::RatioAtLeast(100.0)),
            noise.beside_nginx("noise").reach(Reach::RatioAtLeast(0.7)),
            noise.beside_git("noise"),
        ],
    })
}

/// The requests a second that each side answered, where all answer with the same snapshot.
struct Replayed {
    bytes: u64,
    ours: Series,
    nginx: Series,
    git: Series,
}

impl Replayed {
    fn beside_nginx(&self, measure: &'static str) -> Reading {
        Reading::of(measure, Unit::RequestsPerSecond, self.ours.clone(), self.nginx.clone()).between("ours", "nginx")
    }

    fn beside_git(&self, measure: &'static str) -> Reading {
        Reading::of(measure, Unit::RequestsPerSecond, self.ours.clone(), self.git.clone())
    }
}

fn replay(program: &Path, runs: u32, upstream: impl FnOnce(&GitSandbox) -> Outcome<Repository>) -> Outcome<Replayed> {
    let fixture = synced(program, ProxyKind::None, |fixture| upstream(fixture.sandbox()))?;
    let tip = fixture.cache().branch("main").ok_or("no tip")?.to_string();
    let body = wire::fetch(&tip, Some(1));
    let (projects, _) = baseline_of(&fixture, PATH)?;
    let server = serve(&fixture)?;

    // The file that nginx sends is our answer, byte for byte.
    let ours = Request { url: server.url(&format!("{PATH}/git-upload-pack")), version: 2, body: Some(body) };
    let files = fixture.path("files");
    std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
    let bytes = super::cold_clones::fetch_to_file(&fixture, &ours, &files.join("answer"))?;
    let nginx = Nginx::start(fixture.sandbox(), &projects, &files)?;
    let file = Request { url: nginx.file("answer"), version: 2, body: None };
    let backend = Request { url: nginx.git(&format!("{PATH}/git-upload-pack")), ..ours.clone() };

    let (mut us, mut them, mut gits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        us.push(load::put(fixture.sandbox(), &ours, CONNECTIONS, SECONDS)?.requests);
        them.push(load::put(fixture.sandbox(), &file, CONNECTIONS, SECONDS)?.requests);
        gits.push(load::put(fixture.sandbox(), &backend, CONNECTIONS, SECONDS_OF_GIT)?.requests);
    }
    Ok(Replayed { bytes, ours: Series::median(us), nginx: Series::median(them), git: Series::median(gits) })
}
