//! Snapshot names both ways: what is made of good parts reads back as these, and a ref that reads as one is written as it was.

#![no_main]

use git_mirror_fuzz::error::assert_presentable;
use libfuzzer_sys::fuzz_target;
use mirror_core::name::{BranchName, CommitId, GroupName, RefName, RefPrefix};
use mirror_core::snapshot::SnapshotName;

fuzz_target!(|input: (&str, &str, [u8; 20], &str)| {
    let (group, branch, commit, name) = input;
    let prefix = RefPrefix::parse("refs/mirror/snapshots").expect("because it is a good prefix");
    let named = commit != [0; 20];
    if let (Ok(group), Ok(branch), true) = (GroupName::parse(group), BranchName::parse(branch), named) {
        let snapshot = SnapshotName { prefix: prefix.clone(), group, branch, commit: CommitId::from_bytes(commit) };
        let name = snapshot.ref_name();
        assert_eq!(RefName::parse(name.as_str()).as_ref(), Ok(&name));
        assert_eq!(SnapshotName::parse(&prefix, &name), Ok(snapshot));
    }
    if let Ok(name) = RefName::parse(&format!("{prefix}/{name}")) {
        match SnapshotName::parse(&prefix, &name) {
            Ok(snapshot) => assert_eq!(snapshot.ref_name(), name),
            Err(error) => assert_presentable(&error),
        }
    }
});
