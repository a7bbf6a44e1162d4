//! How a fetch behaves towards those around it: who watches, who gives it up, and what it makes of packs that git packs otherwise.

use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use mirror_core::fault::{Classified, Retry};
use mirror_git::pack::receive::{Progress, Watch};
use mirror_transport::fetch::{FetchError, FetchRequest, Limits, Sent, Tags, UploadPack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Protocol, Sandbox, branch, files, pkt, playing, request};

/// Remembers what it was told, as text.
#[derive(Default)]
struct Remembers(Mutex<Vec<String>>);

impl Watch for Remembers {
    fn event(&self, progress: Progress<'_>) {
        let text = match progress {
            Progress::Received { objects, total, .. } => format!("received {objects} of {total}"),
            Progress::Resolved { deltas, total } => format!("resolved {deltas} of {total}"),
            Progress::Server(line) => format!("server: {line}"),
        };
        self.0.lock().unwrap().push(text);
    }
}

#[tokio::test]
async fn who_watches_hears_counts_and_what_upstream_says_for_people() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(20);
    let tip = upstream.tip("main");
    for protocol in [Protocol::V0, Protocol::V2] {
        let served = upstream.upload_pack(protocol);
        let into = sandbox.folder(&format!("in-{protocol:?}"));
        let cache = sandbox.bare(&format!("cache-{protocol:?}"));
        let mut channel = UploadPack::open(served.read, served.write, Sent::Nothing, Limits::default()).await.unwrap();
        let watch = Arc::new(Remembers::default());
        let request = FetchRequest { watch: Some(watch.clone()), ..request(&[tip], &[], &into) };
        let received = channel.fetch(request, cache.odb()).await.unwrap().unwrap();
        let told = watch.0.lock().unwrap();
        let all = received.objects;
        assert!(told.contains(&format!("received {all} of {all}")), "{told:?}");
        assert!(told.last().unwrap().starts_with("resolved "), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("server: Enumerating objects")), "{told:?}");
        assert!(told.iter().all(|line| !line.contains(char::is_control)), "{told:?}");
    }
}

#[tokio::test]
async fn a_fetch_that_is_dropped_lets_go_of_its_channel_and_ends_its_thread() {
    let sandbox = Sandbox::new();
    let cache = sandbox.bare("cache");
    let into = sandbox.folder("in");
    let tip = mirror_core::name::CommitId::from_bytes([7; 20]);
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (mut hear, mut say) = tokio::io::split(theirs);
    let hello = [pkt("version 2\n"), pkt("ls-refs\n"), pkt("fetch\n"), b"0000".to_vec()].concat();
    say.write_all(&hello).await.unwrap();
    let (read, write) = tokio::io::split(ours);
    let mut channel = UploadPack::open(read, write, Sent::Nothing, Limits::default()).await.unwrap();
    let odb = cache.odb();
    let request = request(&[tip], &[], &into);
    let fetch = tokio::spawn(async move { channel.fetch(request, odb).await });
    // The request is there, so the thread waits for an answer that never comes.
    let mut first = [0; 1];
    hear.read_exact(&mut first).await.unwrap();
    fetch.abort();
    assert!(fetch.await.unwrap_err().is_cancelled());
    // The end of the channel is the end of the thread, which held it.
    hear.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!(files(&into), [""; 0]);
}

#[tokio::test]
async fn a_look_that_is_dropped_spends_the_channel() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (mut hear, mut say) = tokio::io::split(theirs);
    let hello = [pkt("version 2\n"), pkt("ls-refs\n"), pkt("fetch\n"), b"0000".to_vec()].concat();
    say.write_all(&hello).await.unwrap();
    let (read, write) = tokio::io::split(ours);
    let mut channel = UploadPack::open(read, write, Sent::Nothing, Limits::default()).await.unwrap();
    let mut first = [0; 1];
    let patterns = [branch("main")];
    tokio::select! {
        _ = channel.ls_refs(&patterns) => panic!("nobody answers"),
        heard = hear.read_exact(&mut first) => { heard.unwrap(); }
    }
    assert!(channel.is_spent());
    let again = channel.ls_refs(&patterns).await.unwrap_err();
    assert!(matches!(again, FetchError::ChannelSpent), "{again:?}");
    assert_eq!(again.retry(), Retry::Now);
}

#[tokio::test]
async fn tags_of_what_is_sent_come_along_where_they_are_followed() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(5);
    let (tip, tag) = (upstream.tip("main"), upstream.tip("v1"));
    for protocol in [Protocol::V0, Protocol::V2] {
        for (tags, comes) in [(Tags::Leave, false), (Tags::Follow, true)] {
            let served = upstream.upload_pack(protocol);
            let into = sandbox.folder(&format!("in-{protocol:?}-{tags:?}"));
            let cache = sandbox.bare(&format!("cache-{protocol:?}-{tags:?}"));
            let mut channel =
                UploadPack::open(served.read, served.write, Sent::Nothing, Limits::default()).await.unwrap();
            let request = FetchRequest { tags, ..request(&[tip], &[], &into) };
            let received = channel.fetch(request, cache.odb()).await.unwrap().unwrap();
            assert_eq!(received.contains(&tag), comes, "{protocol:?} {tags:?}");
        }
    }
}

#[tokio::test]
async fn negotiation_goes_through_the_commit_graph_where_there_is_one() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(10);
    let cache = sandbox.repository("cache");
    cache.git(&["fetch", "-q", upstream.path.to_str().unwrap(), "main"]);
    cache.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    cache.commit_nothing(30);
    cache.git(&["commit-graph", "write", "--reachable"]);
    let tip = upstream.commit("new.txt", "new\n");
    let served = upstream.upload_pack(Protocol::V2);
    let into = sandbox.folder("in");
    let graph = gix_commitgraph::at(cache.path.join(".git/objects/info"), gix_hash::Kind::Sha1, None).unwrap();
    let mut channel = UploadPack::open(served.read, served.write, Sent::Nothing, Limits::default()).await.unwrap();
    let request = FetchRequest { commit_graph: Some(graph), ..request(&[tip], &[cache.tip("HEAD")], &into) };
    let received = channel.fetch(request, cache.odb()).await.unwrap().unwrap();
    assert_eq!(received.objects, 3);
}

#[tokio::test]
async fn packs_whose_deltas_name_their_bases_are_understood() {
    let sandbox = Sandbox::new();
    let upstream = sandbox.repository("upstream");
    upstream.fill(60);
    let tip = upstream.tip("main");
    // Without offsets, every delta of this pack names its base.
    let mut packing = upstream.command(&["pack-objects", "--revs", "--stdout", "-q", "--no-reuse-delta"]);
    let mut packing = packing.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(packing.stdin.take().unwrap(), "{tip}").unwrap();
    let pack = packing.wait_with_output().unwrap().stdout;
    let mut bytes =
        [pkt("version 2\n"), pkt("ls-refs\n"), pkt("fetch\n"), b"0000".to_vec(), pkt("packfile\n")].concat();
    for piece in pack.chunks(777) {
        bytes.extend(pkt([b"\x01", piece].concat()));
    }
    bytes.extend(b"0000");
    let player = playing(bytes);
    let cache = sandbox.bare("cache");
    let into = sandbox.folder("in");
    let mut channel = UploadPack::open(player.read, player.write, Sent::Nothing, Limits::default()).await.unwrap();
    let received = channel.fetch(request(&[tip], &[], &into), cache.odb()).await.unwrap().unwrap();
    assert_eq!(received.objects as usize, upstream.count("main"));
    cache.git(&["verify-pack", "-v", received.index.to_str().unwrap()]);
    cache.install(&into);
    cache.git(&["fsck", "--strict", &tip.to_string()]);
}
