//! The repositories that figures are measured on: made once from a seed, then cached below `target/bench`.

use std::path::Path;

use mirror_tests::generate::{History, Shape};
use mirror_tests::sandbox::{GitSandbox, Repository};

use super::progress;
use crate::run::{Outcome, root};

/// Changed with the contents that are made here, so that an older cached repository is not measured.
const EDITION: u32 = 1;
/// The seed of all contents.
const SEED: u64 = 20_240_229;
/// Commits of the repository as teams have it.
const GROWN: u64 = 9_000;
/// Commits of the long history.
pub(super) const LONG: u64 = 100_000;
/// Files on the GitOps branch of the long history.
const MANIFESTS: u64 = 200;
/// Files of the small repository, each of [`APP_WORDS`] words that do not compress.
const APP_FILES: u64 = 300;
const APP_WORDS: u64 = 1_250;
/// Its commits.
const APP_COMMITS: u64 = 50;
/// Files of source text, and the commits that change them.
const SOURCES: u32 = 660;
const SOURCES_COMMITS: u64 = 3_000;
/// Lines of each.
const LINES: u64 = 100;
/// Commits to flush onto the long history.
pub(super) const COMMITS: u64 = 100;
/// Files that each of them changes.
pub(super) const CHANGES: u64 = 20;

/// A repository as teams have it: about 120,000 objects and 150 MB, packed as a forge packs.
pub(super) fn grown(sandbox: &GitSandbox) -> Outcome<Repository> {
    cached(sandbox, "grown", |made| {
        progress(&format!("making a repository of {GROWN} commits, once; this takes some minutes"));
        History::new(Shape::grown(SEED)).write(made, "main", GROWN);
        made.commit("gitops").root().file("deployed", "nothing yet\n").message("Begin the GitOps branch\n").make();
        made.run(["repack", "-a", "-d", "-f", "-q"]);
    })
}

/// A history of [`LONG`] commits on `main`, and on top of it the branch `gitops` with its manifests.
pub(super) fn long(sandbox: &GitSandbox) -> Outcome<Repository> {
    cached(sandbox, "long", |made| {
        progress(&format!("making a repository of {LONG} commits, once; this takes some minutes"));
        let tip = History::new(Shape::deep(SEED)).write(made, "main", LONG);
        let mut commit = made.commit("gitops").on(tip).message("Begin the GitOps branch\n");
        for number in 0..MANIFESTS {
            commit = commit.file(&path(number), manifest(number, 0));
        }
        commit.make();
        // As a forge keeps it.
        made.run(["repack", "-a", "-d", "-q", "--write-bitmap-index"]);
        made.run(["commit-graph", "write", "--reachable"]);
    })
}

/// [`long`] with [`COMMITS`] commits more on `gitops`, each of which changes [`CHANGES`] manifests.
pub(super) fn promoted(sandbox: &GitSandbox) -> Outcome<Repository> {
    let long = long(sandbox)?;
    cached(sandbox, "promoted", |made| {
        made.run(["fetch", "-q", &long.path().to_string_lossy(), "+refs/heads/*:refs/heads/*"]);
        for number in 1..=COMMITS {
            let mut commit = made.commit("gitops").message(&format!("Promote build {number}\n"));
            for change in 0..CHANGES {
                let file = (number * 7 + change * 9) % MANIFESTS;
                commit = commit.file(&path(file), manifest(file, number));
            }
            commit.make();
        }
    })
}

/// A repository whose tip alone is a pack of about 3 MB, with some history before it.
pub(super) fn app(sandbox: &GitSandbox) -> Outcome<Repository> {
    cached(sandbox, "app", |made| {
        for number in 0..APP_COMMITS {
            let mut commit = made.commit("main").message(&format!("Change {number}\n"));
            let files = if number == 0 { 0..APP_FILES } else { number..number + 1 };
            for file in files {
                commit = commit.file(&format!("src/part-{:02}/file-{file:03}.bin", file % 20), noise(file, number));
            }
            commit.make();
        }
        made.commit("gitops").root().file("deployed", "nothing yet\n").message("Begin the GitOps branch\n").make();
        made.run(["repack", "-a", "-d", "-f", "-q"]);
    })
}

/// A repository of source text with a history, whose tip alone is a pack of about 3 MB.
pub(super) fn sources(sandbox: &GitSandbox) -> Outcome<Repository> {
    cached(sandbox, "sources", |made| {
        let shape = Shape { files: SOURCES, assets: 0, asset_bytes: 1..2, ..Shape::grown(SEED) };
        History::new(shape).write(made, "main", SOURCES_COMMITS);
        made.commit("gitops").root().file("deployed", "nothing yet\n").message("Begin the GitOps branch\n").make();
        made.run(["repack", "-a", "-d", "-f", "-q"]);
    })
}

/// Gives a cached repository, and makes it first where it does not exist.
fn cached(sandbox: &GitSandbox, name: &str, make: impl FnOnce(&Repository)) -> Outcome<Repository> {
    let folder = root().join("target/bench");
    let path = folder.join(format!("{name}-{EDITION}.git"));
    if !path.exists() {
        let making = folder.join(format!("{name}-{EDITION}.making"));
        clear(&making)?;
        std::fs::create_dir_all(&making).map_err(|error| error.to_string())?;
        sandbox.git().run(&making, ["init", "--quiet", "--bare", "--initial-branch=main"]);
        make(&Repository::at(&making, sandbox.git()));
        std::fs::rename(&making, &path).map_err(|error| error.to_string())?;
    }
    Ok(Repository::at(&path, sandbox.git()))
}

/// Removes a folder, if it is there.
pub(super) fn clear(folder: &Path) -> Outcome {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
        _ => Ok(()),
    }
}

fn path(manifest: u64) -> String {
    format!("deploy/team-{:02}/service-{manifest:03}.yaml", manifest % 10)
}

/// Bytes that do not compress.
fn noise(file: u64, commit: u64) -> Vec<u8> {
    let mut state = SEED ^ file.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ commit.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    (0..APP_WORDS).flat_map(|_| next()).collect()
}

/// A manifest as a promotion leaves it: the image and some values are the build's, the rest stays.
fn manifest(number: u64, build: u64) -> String {
    let mut text = format!("# service {number}\napiVersion: apps/v1\nkind: Deployment\n");
    for line in 0..LINES {
        let state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ line.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let changed = if line % 40 == number % 40 { build } else { 0 };
        let value = (state ^ changed).wrapping_mul(0x94d0_49bb_1331_11eb);
        text += &format!("    setting-{line:03}: value-{value:016x} # of service {number}, owned by its team\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_changes_few_lines_of_a_manifest() {
        let (before, after) = (manifest(7, 1), manifest(7, 2));
        let changed = before.lines().zip(after.lines()).filter(|(before, after)| before != after).count();
        assert_eq!((before.lines().count(), changed), (LINES as usize + 3, 3));
    }
}
