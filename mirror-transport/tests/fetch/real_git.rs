//! Fetching from the real `git upload-pack`, in every version of the protocol.

use crate::rig::{Protocol, Repository, Sandbox, branch, files, request, tags};
use mirror_core::name::{BranchName, CommitId};
use mirror_git::pack::receive::ReceivedPack;
use mirror_store::{Cache, ClosureError, ObjectHandle, Tip};
use mirror_transport::fetch::{FetchError, Limits, ProtocolVersion, Sent, UploadPack, ls_refs_request};
use tokio::io::AsyncWriteExt;

const ALL: [Protocol; 3] = [Protocol::V0, Protocol::V1, Protocol::V2];

async fn open(
    upstream: &Repository,
    protocol: Protocol,
) -> UploadPack<tokio::process::ChildStdout, tokio::process::ChildStdin> {
    let served = upstream.upload_pack(protocol);
    // The process ends with its pipes.
    UploadPack::open(served.read, served.write, Sent::Nothing, Limits::default()).await.unwrap()
}

/// Proves that the folder holds exactly one pack that git accepts, and that the cache is whole with it.
fn verify(cache: &Repository, received: &ReceivedPack, tip: &str) {
    let folder = received.pack.parent().unwrap();
    let name = format!("pack-{}", received.checksum);
    assert_eq!(files(folder), [format!("{name}.idx"), format!("{name}.pack")]);
    assert_eq!(received.index, received.pack.with_extension("idx"));
    cache.git(&["verify-pack", received.index.to_str().unwrap()]);
    let ours = std::fs::read(&received.index).unwrap();
    let theirs = folder.join("git.idx");
    cache.git(&["index-pack", "-o", theirs.to_str().unwrap(), received.pack.to_str().unwrap()]);
    assert_eq!(ours, std::fs::read(&theirs).unwrap(), "the index is the one that git writes");
    std::fs::remove_file(theirs).unwrap();
    cache.install(folder);
    cache.git(&["update-ref", "refs/heads/main", tip]);
    cache.git(&["fsck", "--strict", "--full"]);
}

#[tokio::test]
async fn a_first_fetch_brings_everything_in_every_protocol_version() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(40);
    upstream.git(&["gc", "-q"]);
    let tip = upstream.tip("main");
    for protocol in ALL {
        let cache = sandbox.bare(&format!("cache-{protocol:?}"));
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let mut channel = open(&upstream, protocol).await;
        let expect = if protocol == Protocol::V2 { ProtocolVersion::V2 } else { ProtocolVersion::V0 };
        assert_eq!(channel.version(), expect);
        let refs = channel.ls_refs(&[branch("main"), branch("absent"), tags("v*")]).await.unwrap();
        let named: Vec<_> = refs.iter().map(|remote| (remote.name.as_str(), remote.target, remote.peeled)).collect();
        let tag = upstream.tip("v1");
        let tagged = upstream.tip("v1^{commit}");
        assert_eq!(named, [("refs/heads/main", tip, None), ("refs/tags/v1", tag, Some(tagged))]);
        let received = channel.fetch(request(&[tip, tag], &[], &folder), cache.odb()).await.unwrap().unwrap();
        assert_eq!(received.objects as usize, upstream.count("main") + 1, "the tag object came too");
        assert_eq!(received.outside, [], "a first fetch stands on nothing");
        assert!(received.contains(&tip) && received.contains(&tag));
        verify(&cache, &received, &tip.to_string());
        assert_eq!(channel.is_spent(), protocol != Protocol::V2);
    }
}

#[tokio::test]
async fn a_later_fetch_brings_what_is_new_as_a_thin_pack_and_completes_it() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(30);
    let old = upstream.tip("main");
    for protocol in ALL {
        let cache = sandbox.bare(&format!("cache-{protocol:?}"));
        cache.git(&["fetch", "-q", upstream.path.to_str().unwrap(), &format!("{old}:refs/mirror-stage/heads/main")]);
        let before = upstream.tip("main");
        upstream.commit(
            "src/deep/changing.txt",
            &format!(
                "{}changed by {protocol:?}\n",
                std::fs::read_to_string(upstream.path.join("src/deep/changing.txt")).unwrap()
            ),
        );
        let tip = upstream.tip("main");
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let mut channel = open(&upstream, protocol).await;
        let received = channel.fetch(request(&[tip], &[old], &folder), cache.odb()).await.unwrap().unwrap();
        let new = upstream.count(&tip.to_string()) - upstream.count(&old.to_string());
        assert_eq!(received.objects as usize, new);
        assert!(received.bases > 0, "the changed file came as a delta against the one that is here");
        assert!(received.outside.iter().any(|outside| outside.id == old) || received.contains(&before));
        for outside in &received.outside {
            assert_eq!(cache.git(&["cat-file", "-t", &outside.id.to_string()]), outside.kind.to_string());
        }
        verify(&cache, &received, &tip.to_string());
    }
}

#[tokio::test]
async fn a_channel_gives_one_look_and_in_version_2_it_is_as_new_as_its_question() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    for protocol in ALL {
        let old = upstream.commit("old.txt", &format!("{protocol:?}\n"));
        let mut channel = open(&upstream, protocol).await;
        let new = upstream.commit("new.txt", &format!("{protocol:?}\n"));
        assert_eq!(channel.looks_now(), protocol == Protocol::V2);
        let seen = channel.ls_refs(&[branch("main")]).await.unwrap()[0].target;
        assert_eq!(seen, if protocol == Protocol::V2 { new } else { old });
        // `git upload-pack` would answer with what it has read before.
        assert!(!channel.looks_now());
        assert!(matches!(channel.ls_refs(&[branch("main")]).await, Err(FetchError::StaleLook)));
    }
}

#[tokio::test]
async fn in_version_2_fetches_follow_each_other_on_one_channel() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(3);
    let cache = sandbox.bare("cache");
    let tips: Vec<_> = (0..3).map(|round| upstream.commit("round.txt", &format!("{round}\n"))).collect();
    let mut channel = open(&upstream, Protocol::V2).await;
    channel.ls_refs(&[branch("main")]).await.unwrap();
    let mut from = Vec::new();
    upstream.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    for tip in tips {
        let folder = sandbox.folder(&format!("in-{tip}"));
        let received = channel.fetch(request(&[tip], &from, &folder), cache.odb()).await.unwrap().unwrap();
        verify(&cache, &received, &tip.to_string());
        from = vec![tip];
    }
    channel.close().await.unwrap();
}

#[tokio::test]
async fn ls_refs_sent_ahead_is_answered_in_version_2_and_spends_the_channel_in_version_0() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(3);
    let tip = upstream.tip("main");
    let patterns = vec![branch("main"), tags("v*")];
    for protocol in ALL {
        let mut served = upstream.upload_pack(protocol);
        served.write.write_all(&ls_refs_request(&patterns)).await.unwrap();
        let sent = Sent::LsRefs(patterns.clone());
        let mut channel = UploadPack::open(served.read, served.write, sent, Limits::default()).await.unwrap();
        let refs = channel.ls_refs(&patterns).await.unwrap();
        assert_eq!(
            refs.iter().map(|remote| remote.name.as_str()).collect::<Vec<_>>(),
            ["refs/heads/main", "refs/tags/v1"]
        );
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let cache = sandbox.bare(&format!("cache-{protocol:?}"));
        let fetched = channel.fetch(request(&[tip], &[], &folder), cache.odb()).await;
        if protocol == Protocol::V2 {
            verify(&cache, &fetched.unwrap().unwrap(), &tip.to_string());
        } else {
            assert!(channel.is_spent());
            assert!(matches!(fetched, Err(FetchError::ChannelSpent)), "{fetched:?}");
            assert_eq!(files(&folder), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_fetch_may_follow_an_answer_that_was_never_looked_at() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(3);
    let tip = upstream.tip("main");
    let mut served = upstream.upload_pack(Protocol::V2);
    served.write.write_all(&ls_refs_request(&[branch("main")])).await.unwrap();
    let sent = Sent::LsRefs(vec![branch("main")]);
    let mut channel = UploadPack::open(served.read, served.write, sent, Limits::default()).await.unwrap();
    let cache = sandbox.bare("cache");
    let folder = sandbox.folder("in");
    let received = channel.fetch(request(&[tip], &[], &folder), cache.odb()).await.unwrap().unwrap();
    verify(&cache, &received, &tip.to_string());
    assert!(matches!(channel.ls_refs(&[branch("main")]).await, Err(FetchError::StaleLook)));
}

#[tokio::test]
async fn tips_that_upstream_does_not_know_are_walked_back_from() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(10);
    for protocol in ALL {
        let cache = sandbox.repository(&format!("cache-{protocol:?}"));
        cache.git(&["fetch", "-q", upstream.path.to_str().unwrap(), "main"]);
        cache.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
        cache.commit_nothing(40);
        let theirs = upstream.commit("theirs.txt", &format!("{protocol:?}\n"));
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let mut channel = open(&upstream, protocol).await;
        let request = request(&[theirs], &[cache.tip("HEAD")], &folder);
        let received = channel.fetch(request, cache.odb()).await.unwrap().unwrap();
        assert_eq!(received.objects, 3, "{protocol:?}: one commit, its tree, its file");
    }
}

#[tokio::test]
async fn an_unrelated_history_comes_whole() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(5);
    let tip = upstream.tip("main");
    for protocol in ALL {
        let cache = sandbox.repository(&format!("cache-{protocol:?}"));
        cache.commit_nothing(300);
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let mut channel = open(&upstream, protocol).await;
        let received =
            channel.fetch(request(&[tip], &[cache.tip("HEAD")], &folder), cache.odb()).await.unwrap().unwrap();
        assert_eq!(received.objects as usize, upstream.count("main"));
    }
}

#[tokio::test]
async fn an_empty_upstream_has_no_refs() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.bare("upstream");
    for protocol in ALL {
        let mut channel = open(&upstream, protocol).await;
        assert_eq!(channel.ls_refs(&[branch("main"), tags("*")]).await.unwrap(), []);
        channel.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_shallow_upstream_is_refused_before_anything_is_kept() {
    let sandbox = Sandbox::new();
    let origin = sandbox.repository("origin");
    origin.fill(5);
    let url = format!("file://{}", origin.path.display());
    origin.git(&["clone", "-q", "--bare", "--depth=2", &url, "../upstream"]);
    let upstream = Repository { path: sandbox.path("upstream") };
    let cache = sandbox.bare("cache");
    for protocol in ALL {
        let served = upstream.upload_pack(protocol);
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let refused = match UploadPack::open(served.read, served.write, Sent::Nothing, Limits::default()).await {
            Err(refused) => refused,
            Ok(mut channel) => {
                channel.fetch(request(&[upstream.tip("main")], &[], &folder), cache.odb()).await.unwrap_err()
            }
        };
        assert!(matches!(refused, FetchError::Shallow), "{protocol:?}: {refused:?}");
        assert_eq!(files(&folder), [""; 0]);
    }
}

#[tokio::test]
async fn an_upstream_in_sha256_format_is_refused_by_name() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository_with("upstream", &["--object-format=sha256"]);
    upstream.git(&["commit", "-q", "--allow-empty", "-m", "x"]);
    for protocol in ALL {
        for sent in [Sent::Nothing, Sent::LsRefs(vec![branch("main")])] {
            let mut served = upstream.upload_pack(protocol);
            if let Sent::LsRefs(patterns) = &sent {
                served.write.write_all(&ls_refs_request(patterns)).await.unwrap();
            }
            let refused = UploadPack::open(served.read, served.write, sent, Limits::default()).await.unwrap_err();
            assert!(
                matches!(&refused, FetchError::ObjectFormat { format } if format == "sha256"),
                "{protocol:?}: {refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_refused_in_upstreams_own_words() {
    let sandbox = Sandbox::new();
    let nothing = Repository { path: sandbox.path("nothing") };
    for protocol in ALL {
        let served = nothing.upload_pack(protocol);
        let mut child = served.child;
        let hung_up = UploadPack::open(served.read, served.write, Sent::Nothing, Limits::default()).await.unwrap_err();
        assert!(matches!(hung_up, FetchError::HungUp { .. }), "{hung_up:?}");
        let mut stderr = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).await.unwrap();
        let refused = hung_up.explained_by(&stderr);
        let text = refused.to_string();
        assert!(matches!(refused, FetchError::Refused { .. }), "{refused:?}");
        assert!(text.contains("does not appear to be a git repository") && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn a_commit_that_upstream_does_not_have_is_an_error_in_its_own_words() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(3);
    let cache = sandbox.bare("cache");
    let absent = mirror_core::name::CommitId::from_bytes([7; 20]);
    for protocol in ALL {
        let folder = sandbox.folder(&format!("in-{protocol:?}"));
        let mut channel = open(&upstream, protocol).await;
        let failed = channel.fetch(request(&[absent], &[], &folder), cache.odb()).await.unwrap_err();
        assert!(
            matches!(&failed, FetchError::UpstreamFailed { words, .. } if words.contains("not our ref")),
            "{failed:?}"
        );
        assert!(channel.is_spent());
        assert_eq!(files(&folder), [""; 0]);
    }
}

#[tokio::test]
async fn a_received_pack_enters_a_cache_only_where_all_that_it_refers_to_is_there() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(5);
    let old = upstream.tip("main");
    let new = upstream.commit("src/file-1.txt", "news\n");
    let path = sandbox.path("cache.git");
    let cache = Cache::create(&path, &BranchName::parse("main").unwrap()).unwrap();
    let operation = cache.begin("sync").unwrap();
    let fetch = async |wants: CommitId, from: &[CommitId], objects: ObjectHandle| {
        let folder = operation.transfer_folder().unwrap();
        let mut channel = open(&upstream, Protocol::V2).await;
        channel.fetch(request(&[wants], from, &folder), objects).await.unwrap().unwrap()
    };

    // Fetched as if the old commits were here.
    let incomplete = fetch(new, &[old], upstream.odb().into()).await;
    let refused = operation.verify_received(&incomplete, &[Tip::Branch(new)]).unwrap_err();
    let ClosureError::MissingObject { id, .. } = &refused else { panic!("{refused:?}") };
    assert!(incomplete.outside.iter().any(|outside| outside.id.as_bytes() == id.as_bytes()), "{refused}");

    let first = fetch(old, &[], cache.objects().unwrap()).await;
    let refused = operation.verify_received(&first, &[Tip::Branch(new)]).unwrap_err();
    assert!(matches!(&refused, ClosureError::TipMissing { id } if *id == new), "{refused:?}");
    let closed = operation.verify_received(&first, &[Tip::Branch(old)]).unwrap();
    assert_eq!(closed.objects as usize, upstream.count(&old.to_string()));
    operation.install(closed).unwrap();

    let second = fetch(new, &[old], cache.objects().unwrap()).await;
    operation.install(operation.verify_received(&second, &[Tip::Branch(new)]).unwrap()).unwrap();
    let cache = Repository { path };
    cache.git(&["update-ref", "refs/heads/main", &new.to_string()]);
    cache.git(&["fsck", "--strict", "--full"]);
}
