//! The figures of `git-mirror serve`, against nginx, git's own HTTP backend, and itself at rest.
//!
//! One file a figure; they share our server ([`served`]), the baselines ([`baselines`]), the load ([`load`]) and the requests of clients
//! ([`wire`]).

mod baselines;
mod busy_reads;
mod cold_clones;
mod idle_memory;
mod listing;
mod load;
mod push;
mod served;
mod warm_clones;
mod warm_ls_refs;
mod wire;

use std::path::PathBuf;

pub(super) use busy_reads::measure as busy_reads;
pub(super) use cold_clones::measure as cold_clones;
pub(super) use idle_memory::measure as idle_memory;
pub(super) use listing::measure as listing;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;
pub(super) use push::measure as push;
use serde_json::json;
pub(super) use warm_clones::measure as warm_clones;
pub(super) use warm_ls_refs::measure as warm_ls_refs;

use super::fixture::Fixture;
use crate::run::Outcome;
use crate::tools;
use served::Served;

/// The path under which a fixture's repository is served.
const PATH: &str = "app.git";

/// Installs the programs that only these figures need.
fn provide() -> Outcome {
    let wanted = [baselines::TOOLS[0], baselines::TOOLS[1], load::WRK];
    let missing = tools::provide(&wanted);
    if missing.is_empty() { Ok(()) } else { Err(format!("the benchmark needs: {}", tools::install_line(&missing))) }
}

/// Makes a fixture whose upstream has been synced into the cache.
fn synced(
    program: &std::path::Path,
    proxy: ProxyKind,
    upstream: impl FnOnce(&Fixture) -> Outcome<Repository>,
) -> Outcome<Fixture> {
    let mut fixture = Fixture::new(program, proxy);
    let upstream = upstream(&fixture)?;
    fixture.use_upstream(&upstream);
    fixture.configure(|config| {
        config["nodes"]["local"]["serve"] = json!({ "freeSpace": { "stop": "1MiB", "resume": "2MiB" } });
    });
    fixture.mirror(&["sync", "--confirm"])?;
    Ok(fixture)
}

/// Starts our server on a fixture.
fn serve(fixture: &Fixture) -> Outcome<Served> {
    Served::start(fixture.program(), fixture.sandbox(), &fixture.config_file())
}

/// A folder for the baselines' repositories, each a copy of our cache that git serves.
fn baseline_of(fixture: &Fixture, name: &str) -> Outcome<(PathBuf, Repository)> {
    let projects = fixture.path("projects");
    std::fs::create_dir_all(&projects).map_err(|error| error.to_string())?;
    let copy = projects.join(name);
    super::fixture::copy(fixture.cache().path(), &copy)?;
    let copy = Repository::at(&copy, fixture.sandbox().git());
    copy.configure("http.receivepack", "true");
    copy.configure("uploadpack.allowAnySHA1InWant", "true");
    Ok((projects, copy))
}

/// The token that pushes on a fixture, made by the program itself.
fn token(fixture: &mut Fixture) -> Outcome<String> {
    let tokens = fixture.path("tokens.yaml");
    fixture.configure(|config| config["nodes"]["local"]["serve"]["tokens"] = json!({ "file": tokens }));
    let mut command = fixture.sandbox().git().program(fixture.program(), fixture.sandbox().path());
    command.arg("-f").arg(fixture.config_file()).args(["-o", "json", "token", "new", "promoter"]);
    let report: serde_json::Value =
        serde_json::from_str(&crate::run::output(&mut command)?).map_err(|error| error.to_string())?;
    report["token"].as_str().map(str::to_owned).ok_or_else(|| format!("no token in {report}"))
}
