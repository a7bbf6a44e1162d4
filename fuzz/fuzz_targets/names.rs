//! Arbitrary texts as names: what parses prints and parses again, and gitoxide's rules agree on what is a ref.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use git_mirror_fuzz::error::assert_presentable;
use libfuzzer_sys::fuzz_target;
use mirror_core::config::{Scope, find};
use mirror_core::name::{
    BranchName, CommitId, GroupName, LaneName, NameError, NodeName, RefName, RefPrefix, RepositoryName, TagPattern,
};

fuzz_target!(|bytes: &[u8]| {
    let by_bytes = RefName::from_bytes(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert_presentable(&by_bytes.expect_err("because it is no text"));
        return;
    };
    assert_eq!(by_bytes, RefName::parse(text));

    let name: Option<RefName> = round_trip(text);
    let judged = gix_validate::reference::name(bytes.into()).is_ok() && text.starts_with("refs/");
    assert_eq!(name.is_some(), judged, "{text:?}");
    if let Some(branch) = name.as_ref().and_then(RefName::branch) {
        assert_eq!(branch.ref_name().as_str(), text);
    }
    assert_eq!(round_trip::<RefPrefix>(text).is_some(), name.is_some());

    if let Some(branch) = round_trip::<BranchName>(text) {
        assert_eq!(branch.ref_name().branch(), Some(branch.clone()));
        is_a_ref(branch.ref_name().as_str());
        is_a_ref(branch.stage_ref().as_str());
    }
    if let Some(group) = round_trip::<GroupName>(text) {
        is_a_ref(&format!("refs/x/{group}/y"));
    }
    if let Some(lane) = round_trip::<LaneName>(text) {
        is_a_ref(&format!("refs/x/{lane}"));
        assert!(find(&text.to_ascii_uppercase(), [&lane], &Scope::Configuration).is_ok());
    }
    if let Some(node) = round_trip::<NodeName>(text) {
        is_a_ref(&format!("refs/x/{node}"));
    }
    if let Some(repository) = round_trip::<RepositoryName>(text) {
        assert!(!repository.as_str().contains('/') && !repository.as_str().starts_with('.'));
    }
    if let Some(pattern) = round_trip::<TagPattern>(text) {
        let tag = text.replacen('*', "x", 1);
        is_a_ref(&format!("refs/tags/{tag}"));
        assert!(pattern.matches(&tag));
        assert!(format!("refs/tags/{tag}").starts_with(&pattern.ref_prefix()));
        assert_eq!(pattern.exact().is_some(), !text.contains('*'));
    }
    if let Some(commit) = round_trip::<CommitId>(text) {
        assert_eq!(CommitId::from_bytes(*commit.as_bytes()), commit);
    }
});

/// Parses, prints and parses again; a refusal must be fit to be shown.
fn round_trip<N>(text: &str) -> Option<N>
where
    N: FromStr<Err = NameError> + Display + PartialEq + Debug,
{
    match N::from_str(text) {
        Ok(name) => {
            assert_eq!(name.to_string(), text);
            assert_eq!(N::from_str(&name.to_string()).as_ref(), Ok(&name));
            Some(name)
        }
        Err(error) => {
            assert_presentable(&error);
            None
        }
    }
}

fn is_a_ref(name: &str) {
    assert!(RefName::parse(name).is_ok(), "{name:?}");
}
