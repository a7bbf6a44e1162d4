//! One fetch from a peer, and what must hold of whatever came of it.

use std::path::Path;

use gix_object::Find as _;
use mirror_core::name::{CommitId, RefName};
use mirror_git::pack::receive::{self, ReceivedPack};
use mirror_transport::fetch::{FetchError, FetchRequest, Limits, RefPattern, Sent, Tags, UploadPack};
use mirror_git::pkt::{MAX_PAYLOAD, encode};

use crate::error::assert_presentable;
use crate::peer::{Peer, run};
use crate::store::{Store, open};

/// Small bounds, so that every one of them is met.
pub const LIMITS: Limits = Limits {
    advertisement_bytes: 4000,
    refs: 5,
    ref_name_bytes: 100,
    message_bytes: 1000,
    pack: receive::Limits { objects: 50, object_bytes: 1 << 16 },
};

/// What upstream names in [`opening`]: the newest commit of the recorded conversations.
const NAMED: &str = "618f73df23394f522fe462ff8def15146099e734";

/// Gives the commit that upstream names.
pub fn named() -> CommitId {
    CommitId::from_hex(NAMED).expect("because it is an id")
}

/// What a well-behaved version 2 server says up to the answer to `fetch`.
pub fn opening() -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in ["version 2\n", "agent=git/2.39.5\n", "ls-refs=unborn\n", "fetch=shallow\n"] {
        encode::data(line.as_bytes(), &mut bytes);
    }
    encode::flush(&mut bytes);
    encode::data(format!("{NAMED} refs/heads/main\n").as_bytes(), &mut bytes);
    encode::flush(&mut bytes);
    bytes
}

/// What a well-behaved version 0 server says up to the answer to the wants.
pub fn opening_v0() -> Vec<u8> {
    let mut bytes = Vec::new();
    let capabilities = "multi_ack_detailed side-band-64k thin-pack ofs-delta include-tag no-progress agent=git/2.39.5";
    encode::data(format!("{NAMED} refs/heads/main\0{capabilities}\n").as_bytes(), &mut bytes);
    encode::flush(&mut bytes);
    bytes
}

/// Appends a pack as the side band carries it, in pieces.
pub fn band_pack(pack: &[u8], piece: usize, into: &mut Vec<u8>) {
    encode::data(b"packfile\n", into);
    for piece in pack.chunks(piece.clamp(1, MAX_PAYLOAD - 1)) {
        encode::data(&[b"\x01", piece].concat(), into);
    }
    encode::flush(into);
}

/// Looks and fetches `wanted` from a peer that says `bytes`, and asserts what must hold of a pack that was taken and of one that was not.
pub fn check_fetch(bytes: Vec<u8>, wanted: CommitId) {
    let folder = tempfile::tempdir().expect("because a temporary folder can be made");
    let objects = folder.path().join("objects");
    let into = objects.join("pack");
    std::fs::create_dir_all(&into).expect("because the folder is new");
    let ended = run(fetch(bytes, wanted, &into));
    let mut names = names_in(&into);
    names.sort();
    match ended {
        Ok(received) => {
            let stem = format!("pack-{}", received.checksum);
            assert_eq!(names, [format!("{stem}.idx"), format!("{stem}.pack")]);
            verify(&objects, &received);
        }
        Err(error) => {
            assert_presentable(&error);
            assert!(names.is_empty() || names == ["incoming.pack"], "left behind: {names:?}");
        }
    }
    assert_eq!(names_in(&objects), ["pack"], "nothing is written outside of the folder");
}

async fn fetch(bytes: Vec<u8>, wanted: CommitId, into: &Path) -> Result<ReceivedPack, FetchError> {
    let store = Store::get();
    let mut channel = UploadPack::open(Peer::saying(bytes), Peer::saying([]), Sent::Nothing, LIMITS).await?;
    let main = RefName::parse("refs/heads/main").expect("because it is a good name");
    channel.ls_refs(&[RefPattern::Exact(main)]).await?;
    let request = FetchRequest {
        wants: vec![wanted],
        negotiate_from: vec![store.tip],
        commit_graph: None,
        into: into.to_owned(),
        tags: Tags::Follow,
        watch: None,
    };
    Ok(channel.fetch(request, store.open()).await?.expect("because something was wanted"))
}

/// Reads the pack back with gitoxide's own reader: every object has the name under which the index has it, and is of the kind that was told.
fn verify(objects: &Path, received: &ReceivedPack) {
    let store = open(objects).expect("because the folder is there");
    let pack = store.iter().expect("because the index was just written");
    let mut count = 0;
    let mut buffer = Vec::new();
    for id in pack.map(|id| id.expect("because the index can be read")) {
        let object =
            store.try_find(&id, &mut buffer).expect("because the pack is whole").expect("because it is in the index");
        let named =
            gix_object::compute_hash(gix_hash::Kind::Sha1, object.kind, object.data).expect("because it is no attack");
        assert_eq!(named, id, "an object under the name of another");
        let told = CommitId::from_hex(&id.to_string()).ok().and_then(|id| received.kind_of(&id));
        assert_eq!(told, Some(object.kind), "{id}");
        count += 1;
    }
    assert!(count <= received.objects + received.bases && received.objects <= LIMITS.pack.objects);
    assert!(received.outside.iter().all(|outside| !received.contains(&outside.id)), "outside, and yet in the pack");
    assert!(received.outside.is_sorted_by(|a, b| a.id < b.id), "in order, each once");
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("because the folder is there");
    entries.map(|entry| entry.expect("because it can be read").file_name().to_string_lossy().into_owned()).collect()
}
