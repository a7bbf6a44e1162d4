//! Reads while pushes, syncs and maintenance run on the same repository.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mirror_tests::world::ProxyKind;
use rustix::process::setpriority_process;

use super::baselines::Nginx;
use super::load::{self, Rate, Request};
use super::push::{push, pusher};
use super::{PATH, provide, rival_of, serve, synced, token, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::repeat::Series;
use crate::bench::{material, tell};
use crate::run::Outcome;

/// Few enough that clients do not wait for each other: the latency is the server's.
const CONNECTIONS: u32 = 1;
const SECONDS: u32 = 6;

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    provide()?;
    // Upstream's sshd as well, and what it starts.
    let mut stage = elsewhere(|| {
        synced(program, ProxyKind::None, |stage| {
            Ok(stage.sandbox().bare_clone(material::app(stage.sandbox())?.path(), "upstream-of-app"))
        })
    })?;
    let token = token(&mut stage)?;
    let server = serve(&stage)?;
    let tip = stage.cache().branch("main").ok_or("no tip")?.to_string();
    let url = server.url(&format!("{PATH}/git-upload-pack"));
    let request = Request { url, version: 2, body: Some(wire::fetch(&tip, Some(1))) };
    let clone = pusher(stage.sandbox(), "promoter", &stage.cache(), &server.url(PATH), Some(&token));

    // What the machine itself does to readers while others work on it: nginx with the same bytes as a file.
    let (projects, _) = rival_of(&stage, PATH)?;
    let files = stage.place("files");
    std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
    super::cold_clones::fetch_to_file(&stage, &request, &files.join("answer"))?;
    let nginx = Nginx::start(stage.sandbox(), &projects, &files)?;
    let file = Request { url: nginx.file("answer"), version: 2, body: None };

    tell("reads at rest, and while a push, a sync and maintenance run");
    let put = |request: &Request| load::put(stage.sandbox(), request, CONNECTIONS, SECONDS);
    load::put(stage.sandbox(), &request, CONNECTIONS, 1)?;
    let mut number = 0;
    let mut busily = |request: &Request| -> Outcome<Rate> {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (over, stage, clone, number, put) = (&over, &stage, &clone, &mut number, &put);
            // One of each at a time, again and again, as a busy day has them.
            let working = scope.spawn(move || -> Outcome<u32> {
                let mut rounds = 0;
                while !over.load(Ordering::Relaxed) {
                    *number += 1;
                    rounds += 1;
                    elsewhere(|| push(clone, *number))?;
                    stage.mirror(&["flush", "--confirm", "--wait"])?;
                    stage.mirror(&["sync", "--confirm", "--wait"])?;
                    stage.maintain()?;
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

/// Does what is another machine's business: at the lowest priority, so that it takes little from the server but what it asks of it.
fn elsewhere<T: Send>(doing: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    const LOWEST: i32 = 19;
    let lowly = move || {
        // To Linux this is the calling thread's alone, and of what it starts.
        setpriority_process(None, LOWEST).map_err(|error| format!("the priority cannot be set: {error}"))?;
        doing()
    };
    std::thread::scope(|scope| scope.spawn(lowly).join().map_err(|_| "it panicked".to_owned())?)
}
