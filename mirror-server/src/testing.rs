//! What the tests of this crate share: a node with a cache of its own, and programs that stand in for git.
//!
//! Never: what one kind of request needs. That is beside its tests.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mirror_core::config;
use mirror_engine::node::{Base, LocalNode};
use mirror_store::git::GitProgram;

/// The lane of a node that needs but one, and its GitOps branch.
pub(crate) const MAIN: (&str, &str) = ("main", "gitops");

/// Makes the node of a folder: one repository, `app`, with these lanes, each a name and a GitOps branch. A `serve` block may be a line of it. No key is
/// there, and none is needed.
pub(crate) fn node(folder: &Path, serve: &str, lanes: &[(&str, &str)]) -> Arc<LocalNode> {
    let mut text = format!(
        "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: {{ app: {{ upstream: 'git@github.com:octo/app.git' }} }}
nodes:
  here:
    cache: ./caches
    githubTransport: {{ identity: {{ file: ./key }} }}
    {serve}
    lanes:
"
    );
    for (lane, gitops) in lanes {
        let source = "source: { branch: main, snapshotGroup: app }";
        writeln!(text, "      {lane}: {{ repository: app, {source}, gitops: {{ branch: {gitops} }} }}").unwrap();
    }
    let config = config::parse("git-mirror.yaml", &text).unwrap();
    let base = Base { folder: folder.to_owned(), home: None, agent: None };
    Arc::new(LocalNode::resolve(&config, &base, "here").unwrap())
}

/// Makes a program `git` of a folder out of the lines of a script; `$git` is the real one. A child writes the file, so that no other test's child holds it
/// open for writing, which would keep it from being run.
pub(crate) fn write_git(folder: &Path, script: &str) {
    let real = GitProgram::find().unwrap().path().display().to_string();
    let text = format!("#!/bin/sh\ngit='{real}'\n{script}\n");
    let write = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > git.new && chmod 755 git.new && mv git.new git", "sh", &text])
        .current_dir(folder)
        .status();
    assert!(write.unwrap().success());
}

/// Finds the program `git` of a folder.
pub(crate) fn git_of(folder: &Path) -> GitProgram {
    let path = std::env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    GitProgram::find_on(&path).unwrap()
}
