//! What a local node does before it goes upstream: where `HEAD` points, and whether there is room.

use std::path::Path;

use mirror_core::operation::Mode;

use super::*;
use crate::drive::Terms;
use crate::node::Base;
use crate::stop::Stop;
use crate::verbs;
use crate::watch::Silent;

/// A node of one lane with this source branch, and with this line. No key is there, and none is needed.
fn node(folder: &Path, source: &str, serve: &str) -> LocalNode {
    let text = format!(
        "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: {{ app: {{ upstream: 'git@github.com:octo/app.git' }} }}
nodes:
  here:
    cache: ./caches
    githubTransport: {{ identity: {{ file: ./key }} }}
    {serve}
    lanes: {{ main: {{ repository: app, source: {{ branch: {source}, snapshotGroup: app }}, gitops: {{ branch: gitops }} }} }}
"
    );
    let config = mirror_core::config::parse("git-mirror.yaml", &text).unwrap();
    let base = Base { folder: folder.to_owned(), home: None, agent: None };
    LocalNode::resolve(&config, &base, "here").unwrap()
}

#[test]
fn head_follows_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), "v2", "");
    let repository = node.repository(node.lanes::<&str>(&[]).unwrap()[0]);
    let path = node.cache(&repository.name);
    let before = BranchName::parse("v1").unwrap();
    assert_eq!(Disk::create(&path, &before).unwrap().head().unwrap(), Some(before));
    drop(LocalRepository::new(&node, repository, Verb::Sync).open(Access::Write).unwrap());
    assert_eq!(Disk::open(&path).unwrap().head().unwrap().unwrap().as_str(), "v2");
}

#[tokio::test]
async fn a_sync_of_a_node_that_serves_needs_room_and_a_look_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path(), "main", "serve: { freeSpace: { stop: 1000000TiB, resume: 1000001TiB } }");
    let lanes = node.lanes::<&str>(&[]).unwrap();
    let terms = |mode| Terms { mode, wait: WaitForTurn::No, watch: Arc::new(Silent), stop: Stop::new() };
    let code = |lane: &Option<Fault>| lane.as_ref().map(|fault| fault.code.clone()).unwrap_or_default();
    let refused = verbs::sync(&node, &lanes, &terms(Mode::Confirm)).await;
    assert_eq!(code(&refused.lanes[0].fault), "mirror::space::low");
    assert!(!node.caches.exists(), "nothing was made");
    // A dry run, and a flush, which brings what is here to safety, get as far as the key that is not there.
    let looked = verbs::sync(&node, &lanes, &terms(Mode::DryRun)).await;
    assert_ne!(code(&looked.lanes[0].fault), "mirror::space::low");
    let flushed = verbs::flush(&node, &lanes, &terms(Mode::Confirm)).await;
    assert_ne!(code(&flushed.lanes[0].fault), "mirror::space::low");
}
