//! A scheduled look that finds nothing, over an SSH session that is kept: the slope of what the server measured over chosen delays.

use std::path::Path;
use std::time::{Duration, Instant};

use mirror_tests::world::ProxyKind;
use serde_json::json;

use super::served::Served;
use super::{serve, synced};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::fixture::Stage;
use crate::bench::repeat::Series;
use crate::bench::tell;
use crate::run::Outcome;

/// The delays between which the slope is taken, in milliseconds.
const ROUND_TRIPS: [u64; 3] = [20, 60, 120];
/// How long the looks of one delay may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

pub(in crate::bench) fn measure(program: &Path, runs: u32) -> Outcome<Figure> {
    let mut stage = synced(program, ProxyKind::Embedded, |stage| {
        stage.upstream().commit("main").file("a.txt", "one\n").make();
        stage.upstream().commit("gitops").root().file("deployed", "nothing yet\n").make();
        Ok(stage.upstream().clone())
    })?;
    stage.configure(|config| config["nodes"]["local"]["serve"]["schedule"] = json!({ "syncEvery": "300ms" }));
    tell("scheduled looks that find nothing, over three delays");
    let url = stage.url(stage.upstream());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round_trip in ROUND_TRIPS {
        stage.set_round_trip(Duration::from_millis(round_trip));
        ours.push(looks(&stage, runs)?);
        let git = |_| Ok(stage.git(stage.sandbox().path(), &["ls-remote", "--quiet", &url])?.wall);
        theirs.push((0..runs).map(git).collect::<Outcome<Vec<_>>>()?);
    }
    let seconds = ROUND_TRIPS.map(|round_trip| Duration::from_millis(round_trip).as_secs_f64());
    let (ours, theirs) = (Series::slope(&seconds, &ours), Series::slope(&seconds, &theirs));
    Ok(Figure {
        name: "warm-look",
        title: "a scheduled look that finds nothing, on a session that is kept".to_owned(),
        against: "git ls-remote",
        readings: vec![Reading::of("round trips", Unit::RoundTrips, ours, theirs).reach(Reach::AtMost(3.0))],
    })
}

/// The seconds of so many scheduled syncs of a fresh server, the first of which opened the session and does not count.
fn looks(stage: &Stage, runs: u32) -> Outcome<Vec<f64>> {
    let server = serve(stage)?;
    let begun = Instant::now();
    let mut seen = counted(&server)?;
    let mut looks = Vec::new();
    while looks.len() <= runs as usize {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} looks in {PATIENCE:?}", looks.len()));
        }
        std::thread::park_timeout(Duration::from_millis(20));
        let now = counted(&server)?;
        if now.count > seen.count {
            looks.push((now.seconds - seen.seconds) / (now.count - seen.count));
            seen = now;
        }
    }
    looks.remove(0);
    Ok(looks)
}

/// What the server says of its syncs so far.
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
