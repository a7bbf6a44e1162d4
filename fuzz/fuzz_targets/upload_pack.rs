//! An arbitrary server on a look at the refs: what is taken from it was asked for, once, and within bounds.

#![no_main]

use git_mirror_fuzz::error::assert_presentable;
use git_mirror_fuzz::peer::{Peer, run};
use git_mirror_fuzz::received::LIMITS;
use libfuzzer_sys::fuzz_target;
use mirror_core::name::{RefName, TagPattern};
use mirror_transport::fetch::{FetchError, RefPattern, RemoteRef, Sent, UploadPack};

fuzz_target!(|bytes: &[u8]| {
    let patterns = [
        RefPattern::Exact(RefName::parse("refs/heads/main").expect("because it is a good name")),
        RefPattern::Tags(TagPattern::parse("v*").expect("because it is a good pattern")),
    ];
    for sent in [Sent::Nothing, Sent::LsRefs(patterns.to_vec())] {
        match run(look(bytes, sent, &patterns)) {
            Ok(refs) => check(&refs, &patterns),
            Err(error) => assert_presentable(&error),
        }
    }
});

async fn look(bytes: &[u8], sent: Sent, patterns: &[RefPattern]) -> Result<Vec<RemoteRef>, FetchError> {
    let mut channel = UploadPack::open(Peer::saying(bytes), Peer::saying([]), sent, LIMITS).await?;
    let refs = channel.ls_refs(patterns).await?;
    assert!(matches!(channel.ls_refs(patterns).await, Err(FetchError::StaleLook)), "a channel gives one look");
    channel.close().await?;
    Ok(refs)
}

fn check(refs: &[RemoteRef], patterns: &[RefPattern]) {
    assert!(refs.len() <= LIMITS.refs);
    assert!(refs.is_sorted_by(|a, b| a.name < b.name), "in order, each once");
    for remote in refs {
        let name = remote.name.as_str();
        assert!(patterns.iter().any(|pattern| pattern.matches(name)), "{name:?} was not asked for");
        assert!(name.len() <= LIMITS.ref_name_bytes);
        assert_eq!(RefName::parse(name).as_ref(), Ok(&remote.name));
    }
}
