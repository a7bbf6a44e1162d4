//! Builds that clone one snapshot, again and again: the answer is there, and only has to be sent.

use std::path::Path;

use mirror_tests::world::ProxyKind;

use super::load::{self, Request};
use super::rivals::Nginx;
use super::{PATH, provide, rival_of, serve, synced, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::repeat::Series;
use crate::bench::{material, tell};
use crate::run::Outcome;

const CONNECTIONS: u32 = 8;
const SECONDS: u32 = 4;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    provide()?;
    let stage = synced(program, ProxyKind::None, |stage| material::app(stage.sandbox()))?;
    let tip = stage.cache().branch("main").ok_or("no tip")?.to_string();
    let body = wire::fetch(&tip, Some(1));
    let (projects, _) = rival_of(&stage, PATH)?;
    let server = serve(&stage)?;

    // The file that nginx sends is our answer, byte for byte.
    let ours = Request { url: server.url(&format!("{PATH}/git-upload-pack")), version: 2, body: Some(body) };
    let files = stage.place("files");
    std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
    let answer = super::cold_crowd::fetch_to_file(&stage, &ours, &files.join("answer"))?;
    let nginx = Nginx::start(stage.sandbox(), &projects, &files)?;
    let file = Request { url: nginx.file("answer"), version: 2, body: None };
    let backend = Request { url: nginx.git(&format!("{PATH}/git-upload-pack")), ..ours.clone() };

    tell("one snapshot, cloned again and again");
    let (mut us, mut them, mut gits) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        us.push(load::put(stage.sandbox(), &ours, CONNECTIONS, SECONDS)?.requests);
        them.push(load::put(stage.sandbox(), &file, CONNECTIONS, SECONDS)?.requests);
        gits.push(load::put(stage.sandbox(), &backend, CONNECTIONS, SECONDS)?.requests);
    }
    let (us, them, gits) = (Series::median(us), Series::median(them), Series::median(gits));
    Ok(Figure {
        name: "warm-clones",
        title: format!(
            "depth-1 fetches of one snapshot, {:.1} MB each, warm, by {CONNECTIONS} clients",
            answer as f64 / 1e6
        ),
        against: "nginx with the same bytes as a file; git-http-backend behind nginx",
        readings: vec![
            Reading::of("requests", Unit::RequestsPerSecond, us.clone(), them)
                .between("ours", "nginx")
                .reach(Reach::RatioAtLeast(0.7)),
            Reading::of("requests", Unit::RequestsPerSecond, us, gits).reach(Reach::RatioAtLeast(100.0)),
        ],
    })
}
