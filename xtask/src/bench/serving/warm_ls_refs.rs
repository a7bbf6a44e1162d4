//! A scheduled sync that finds nothing new, over a pooled SSH session: the slope of what the server measured over chosen delays.

use std::path::Path;
use std::time::{Duration, Instant};

use mirror_tests::world::ProxyKind;
use serde_json::json;

use super::served::Served;
use super::{serve, synced};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::fixture::Fixture;
use crate::bench::progress;
use crate::bench::repeat::Series;
use crate::run::Outcome;

/// The delays between which the slope is taken, in milliseconds.
const ROUND_TRIPS: [u64; 3] = [20, 60, 120];
/// How long the syncs of one delay may take in all.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut fixture = synced(program, ProxyKind::Embedded, |fixture| {
        fixture.upstream().commit("main").file("a.txt", "one\n").make();
        fixture.upstream().commit("gitops").root().file("deployed", "nothing yet\n").make();
        Ok(fixture.upstream().clone())
    })?;
    fixture.configure(|config| config["nodes"]["local"]["serve"]["schedule"] = json!({ "syncEvery": "300ms" }));
    progress("scheduled syncs that find nothing new, over three delays");
    let url = fixture.url(fixture.upstream());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round_trip in ROUND_TRIPS {
        fixture.set_round_trip(Duration::from_millis(round_trip));
        ours.push(syncs(&fixture, runs)?);
        let git = |_| Ok(fixture.git(fixture.sandbox().path(), &["ls-remote", "--quiet", &url])?.wall);
        theirs.push((0..runs).map(git).collect::<Outcome<Vec<_>>>()?);
    }
    let seconds = ROUND_TRIPS.map(|round_trip| Duration::from_millis(round_trip).as_secs_f64());
    let (ours, theirs) = (Series::slope(&seconds, &ours), Series::slope(&seconds, &theirs));
    Ok(Figure {
        name: "warm-ls-refs",
        title: "a scheduled sync that finds nothing new, on a pooled session".to_owned(),
        against: "git ls-remote",
        readings: vec![Reading::of("round trips", Unit::RoundTrips, ours, theirs).reach(Reach::AtMost(3.0))],
    })
}

/// The seconds of so many scheduled syncs of a fresh server, the first of which opened the session and does not count.
fn syncs(fixture: &Fixture, runs: u32) -> Outcome<Vec<f64>> {
    let server = serve(fixture)?;
    let begun = Instant::now();
    let mut seen = counted(&server)?;
    let mut syncs = Vec::new();
    while syncs.len() <= runs as usize {
        if begun.elapsed() > TIMEOUT {
            return Err(format!("{} syncs in {TIMEOUT:?}", syncs.len()));
        }
        std::thread::park_timeout(Duration::from_millis(20));
        let now = counted(&server)?;
        if now.count > seen.count {
            syncs.push((now.seconds - seen.seconds) / (now.count - seen.count));
            seen = now;
        }
    }
    syncs.remove(0);
    Ok(syncs)
}

/// The server's counts of its syncs so far.
struct Counted {
    count: f64,
    seconds: f64,
}

fn counted(server: &Served) -> Outcome<Counted> {
    let mut curl = std::process::Command::new("curl");
    let text = crate::run::output(curl.args(["--silent", "--fail", &server.url("metrics")]))?;
    let sum = |name: &str| {
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains("verb=\"sync\""));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    let name = "git_mirror_operation_duration_seconds";
    Ok(Counted { count: sum(&format!("{name}_count")), seconds: sum(&format!("{name}_sum")) })
}
