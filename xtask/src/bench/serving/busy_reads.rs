//! Reads while pushes, syncs and maintenance run on the same repository.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mirror_tests::world::ProxyKind;
use rustix::process::setpriority_process;

use super::baselines::Nginx;
use super::load::{self, Rate, Request};
use super::push::{push, pusher};
use super::{PATH, baseline_of, provide, serve, synced, token, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::repeat::Series;
use crate::bench::{material, progress};
use crate::run::Outcome;

/// Few enough that clients do not wait for each other: the latency is the server's.
const CONNECTIONS: u32 = 1;
const SECONDS: u32 = 6;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    provide()?;
    // Upstream's sshd as well, and what it starts.
    let mut fixture = elsewhere(|| {
        synced(program, ProxyKind::None, |fixture| {
            Ok(fixture.sandbox().bare_clone(material::app(fixture.sandbox())?.path(), "upstream-of-app"))
        })
    })?;
    let token = token(&mut fixture)?;
    let server = serve(&fixture)?;
    let tip = fixture.cache().branch("main").ok_or("no tip")?.to_string();
    let url = server.url(&format!("{PATH}/git-upload-pack"));
    let request = Request { url, version: 2, body: Some(wire::fetch(&tip, Some(1))) };
    let clone = pusher(fixture.sandbox(), "promoter", &fixture.cache(), &server.url(PATH), Some(&token));

    // The machine's own effect on readers under the same load: nginx with the same bytes as a file.
    let (projects, _) = baseline_of(&fixture, PATH)?;
    let files = fixture.path("files");
    std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
    super::cold_clones::fetch_to_file(&fixture, &request, &files.join("answer"))?;
    let nginx = Nginx::start(fixture.sandbox(), &projects, &files)?;
    let file = Request { url: nginx.file("answer"), version: 2, body: None };

    progress("reads at rest, and while a push, a sync and maintenance run");
    let put = |request: &Request| load::put(fixture.sandbox(), request, CONNECTIONS, SECONDS);
    load::put(fixture.sandbox(), &request, CONNECTIONS, 1)?;
    let mut number = 0;
    let mut busily = |request: &Request| -> Outcome<Rate> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (over, fixture, clone, number, put) = (&over, &fixture, &clone, &mut number, &put);
            // One of each at a time, repeatedly.
            let working = scope.spawn(move || -> Outcome<u32> {
                let mut rounds = 0;
                while !over.load(Ordering::Relaxed) {
                    *number += 1;
                    rounds += 1;
                    elsewhere(|| push(clone, *number))?;
                    fixture.mirror(&["flush", "--confirm", "--wait"])?;
                    fixture.mirror(&["sync", "--confirm", "--wait"])?;
                    fixture.maintain()?;
                }
                Ok(rounds)
            });
            let rate = put(request);
            over.store(true, Ordering::Relaxed);
            let rounds = working.join().map_err(|_| "the work panicked".to_owned())??;
            if rounds == 0 { Err("nothing was done meanwhile".to_owned()) } else { rate }
        })
    };
    let (mut busy, mut idle, mut their_busy, mut their_idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        idle.push(put(&request)?.p99);
        their_idle.push(put(&file)?.p99);
        busy.push(busily(&request)?.p99);
        their_busy.push(busily(&file)?.p99);
    }
    Ok(Figure {
        name: "busy-reads",
        title: "depth-1 fetches while a push, a flush, a sync and maintenance run".to_owned(),
        against: "the same server at rest",
        readings: vec![
            Reading::of("p99", Unit::Seconds, Series::median(busy), Series::median(idle))
                .between("busy", "at rest")
                .reach(Reach::RatioAtMost(2.0)),
            Reading::of("p99 of nginx's file", Unit::Seconds, Series::median(their_busy), Series::median(their_idle))
                .between("busy", "at rest"),
        ],
    })
}

/// Runs what another machine would run, at the lowest priority, so that it takes little CPU from the server.
fn elsewhere<T: Send>(doing: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    const LOWEST: i32 = 19;
    let lowly = move || {
        // On Linux this applies to the calling thread and its children only.
        setpriority_process(None, LOWEST).map_err(|error| format!("the priority cannot be set: {error}"))?;
        doing()
    };
    std::thread::scope(|scope| scope.spawn(lowly).join().map_err(|_| "it panicked".to_owned())?)
}
