//! The served that a clients works on.

use serde_json::{Map, Value, json};

use crate::server::Served;
use crate::world::{REPOSITORY, World};

/// Names so many GitOps branches.
pub fn branches(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("gitops-{number}")).collect()
}

/// Gives the world one lane for each of these GitOps branches, all of the source `main`, syncs it, and starts a server with these settings in its `serve` block.
///
/// # Panics
/// Where the sync does not succeed, or the server does not announce itself.
pub fn serve_lanes(mut world: World, branches: &[String], settings: Map<String, Value>) -> Served {
    let lanes: Map<_, _> = (0..)
        .zip(branches)
        .map(|(number, gitops)| {
            world.upstream().commit(gitops).root().file("deployed", "nothing yet\n").make();
            let source = json!({ "branch": "main", "snapshotGroup": "app" });
            let lane = json!({ "repository": REPOSITORY, "source": source, "gitops": { "branch": gitops } });
            (format!("lane-{number}"), lane)
        })
        .collect();
    world.configure(|config| config["nodes"]["local"]["lanes"] = lanes.into());
    world.mirror(&["sync", "--confirm"]).expect(0);
    Served::start(world, |serve| {
        for (key, value) in settings {
            serve[key] = value;
        }
    })
}
