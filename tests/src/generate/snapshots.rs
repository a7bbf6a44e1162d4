//! Snapshot refs in large numbers.

use std::collections::BTreeMap;
use std::fmt::Write;

use mirror_core::name::CommitId;

use crate::sandbox::{Repository, commit_id};

/// The first line of a `packed-refs` file whose refs are sorted and fully peeled.
const HEADER: &str = "# pack-refs with: peeled fully-peeled sorted \n";

/// Writes a snapshot ref `<prefix>/<group>/<branch>/<commit>` for each of the youngest `count` commits of a branch, straight into
/// `packed-refs`, and gives the commits, youngest first.
///
/// # Panics
/// Where the branch has fewer commits, or the repository is not bare.
pub fn snapshots(repository: &Repository, prefix: &str, group: &str, branch: &str, count: usize) -> Vec<CommitId> {
    let listed = repository.run(["rev-list", &format!("--max-count={count}"), &format!("refs/heads/{branch}")]);
    let commits: Vec<_> = listed.lines().map(commit_id).collect();
    assert_eq!(commits.len(), count, "{branch} has too few commits");
    repository.run(["pack-refs", "--all"]);
    let path = repository.path().join("packed-refs");
    let packed = std::fs::read_to_string(&path).expect("because git has just written it");
    let mut refs = BTreeMap::<String, (String, Option<String>)>::new();
    let mut last = None;
    for line in packed.lines().filter(|line| !line.starts_with('#')) {
        match (line.split_once(' '), last.take().and_then(|name: String| refs.get_mut(&name))) {
            (None, Some(entry)) => entry.1 = Some(line.to_owned()),
            (Some((id, name)), _) => {
                refs.insert(name.to_owned(), (id.to_owned(), None));
                last = Some(name.to_owned());
            }
            (None, None) => panic!("packed-refs has a line of neither kind: {line}"),
        }
    }
    for commit in &commits {
        refs.insert(format!("{prefix}/{group}/{branch}/{commit}"), (commit.to_string(), None));
    }
    let mut text = HEADER.to_owned();
    for (name, (id, peeled)) in refs {
        writeln!(text, "{id} {name}").expect("because a string takes everything");
        if let Some(peeled) = peeled {
            writeln!(text, "{peeled}").expect("because a string takes everything");
        }
    }
    std::fs::write(&path, text).expect("because the repository is ours");
    commits
}
