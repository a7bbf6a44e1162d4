//! The memory of an idle server: ten repositories, a hundred thousand snapshots in each.

use std::path::Path;

use mirror_tests::generate::snapshots;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::ProxyKind;
use serde_json::json;

use super::load::{self, Request};
use super::{provide, serve, synced, wire};
use crate::bench::figure::{Figure, Reach, Reading, Unit};
use crate::bench::fixture::{GROUP, SNAPSHOTS, copy};
use crate::bench::repeat::Series;
use crate::bench::{material, progress};
use crate::run::Outcome;

const REPOSITORIES: usize = 10;
const MANY: usize = 100_000;
const MEMORY: f64 = 60e6;

pub(in crate::bench) fn measure(program: &Path) -> Outcome<Figure> {
    provide()?;
    let mut fixture = synced(program, ProxyKind::None, |fixture| material::long(fixture.sandbox()))?;
    progress("the memory of a server over ten repositories");
    snapshots(&fixture.cache(), SNAPSHOTS, GROUP, "main", MANY);
    let first = fixture.cache();
    let names: Vec<_> = (1..REPOSITORIES).map(|number| format!("app{number}")).collect();
    for name in &names {
        copy(first.path(), &first.path().with_file_name(format!("{name}.git")))?;
    }
    fixture.configure(|config| {
        for name in &names {
            config["repositories"][name] = json!({ "upstream": format!("git@github.com:octo/{name}.git") });
            config["nodes"]["local"]["lanes"][name] = json!({
                "repository": name,
                "source": { "branch": "main", "snapshotGroup": GROUP },
                "gitops": { "branch": "gitops" },
            });
        }
    });
    let server = serve(&fixture)?;
    let fresh = server.resident()?;
    // Each was asked for its refs and for a pack: what that opened is open.
    let tip = Repository::at(first.path(), fixture.sandbox().git()).branch("main").ok_or("no tip")?.to_string();
    for name in names.iter().map(String::as_str).chain(["app"]) {
        for body in [wire::ls_refs(), wire::fetch(&tip, Some(1))] {
            let request =
                Request { url: server.url(&format!("{name}.git/git-upload-pack")), version: 2, body: Some(body) };
            load::put(fixture.sandbox(), &request, 2, 1)?;
        }
    }
    let used = server.resident()?;
    Ok(Figure {
        name: "idle-memory",
        title: format!("resident memory of an idle server, {REPOSITORIES} repositories with {MANY} snapshots each"),
        against: "the same server before it was asked anything",
        readings: vec![
            Reading::of("after use", Unit::Bytes, Series::median(vec![used]), Series::median(vec![fresh]))
                .between("after use", "fresh")
                .reach(Reach::AtMost(MEMORY)),
        ],
    })
}
