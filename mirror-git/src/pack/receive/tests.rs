//! Packs made by hand: every form of an entry, every way in which a pack can be wrong, in pieces of every size.

use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix_object::Kind;
use miette::Diagnostic;
use mirror_core::name::CommitId;
use proptest::prelude::*;
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;

use super::error::{Failure, ReceiveError};
use super::limits::Limits;
use super::receive;
use super::received::ReceivedPack;
use super::request::Request;
use super::source::PackSource;
use super::watch::{Progress, Watch};
use crate::entry::{Content, Header, Id};

/// A pack that is being put together.
struct Pack {
    bytes: Vec<u8>,
    count: u32,
    offsets: Vec<u64>,
}

impl Pack {
    fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0, offsets: Vec::new() }
    }

    fn whole(self, kind: Kind, object: &[u8]) -> Self {
        self.entry(Header::object(kind, object.len() as u64), object)
    }

    fn blob(self, object: &[u8]) -> Self {
        self.whole(Kind::Blob, object)
    }

    /// A delta whose base is the entry of this place.
    fn ofs_delta(self, place: usize, delta: &[u8]) -> Self {
        let distance = self.bytes.len() as u64 - self.offsets[place];
        self.delta(Content::OfsDelta { distance }, delta)
    }

    /// A delta whose base is the object of this name.
    fn ref_delta(self, base: Id, delta: &[u8]) -> Self {
        self.delta(Content::RefDelta { base }, delta)
    }

    fn delta(self, content: Content, delta: &[u8]) -> Self {
        self.entry(Header { content, size: delta.len() as u64 }, delta)
    }

    fn entry(mut self, header: Header, content: &[u8]) -> Self {
        self.offsets.push(self.bytes.len() as u64);
        header.encode(&mut self.bytes);
        let mut deflate = ZlibEncoder::new(self.bytes, Compression::fast());
        deflate.write_all(content).unwrap();
        self.bytes = deflate.finish().unwrap();
        self.count += 1;
        self
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.count.to_be_bytes());
        let trailer = Sha1::digest(&self.bytes);
        self.bytes.extend_from_slice(&trailer);
        self.bytes
    }
}

/// A delta that puts `tail` behind the whole of a base below 128 bytes.
fn append(base: usize, tail: &[u8]) -> Vec<u8> {
    [&[base as u8, (base + tail.len()) as u8, 0x90, base as u8, tail.len() as u8], tail].concat()
}

fn name(kind: Kind, object: &[u8]) -> Id {
    let id = gix_object::compute_hash(gix_hash::Kind::Sha1, kind, object).unwrap();
    id.as_bytes().try_into().unwrap()
}

fn blob(object: &[u8]) -> CommitId {
    CommitId::from_bytes(name(Kind::Blob, object))
}

/// Bytes that come in pieces of one size.
struct Pieces {
    bytes: Vec<u8>,
    used: usize,
    size: usize,
}

impl PackSource for Pieces {
    type Error = Infallible;

    fn next(&mut self, chunk: &mut Vec<u8>) -> Result<(), Infallible> {
        let rest = &self.bytes[self.used..];
        let piece = &rest[..rest.len().min(self.size)];
        *chunk = piece.to_vec();
        self.used += piece.len();
        Ok(())
    }
}

/// A store of blobs in a folder of its own.
fn store(blobs: &[&[u8]]) -> (tempfile::TempDir, gix_odb::HandleArc) {
    let folder = tempfile::tempdir().unwrap();
    let store = gix_odb::at(folder.path(), gix_hash::Kind::Sha1).unwrap().into_arc().unwrap();
    for object in blobs {
        gix_object::Write::write_buf(&store, Kind::Blob, object).unwrap();
    }
    (folder, store)
}

/// The error of the pack; bytes in memory do not fail.
fn of_pack(failure: Failure<Infallible>) -> ReceiveError {
    match failure {
        Failure::Pack(error) => error,
        Failure::Source(never) => match never {},
    }
}

fn take(bytes: Vec<u8>, size: usize, blobs: &[&[u8]], into: &Path) -> Result<ReceivedPack, ReceiveError> {
    let mut source = Pieces { bytes, used: 0, size };
    let limits = Limits { object_bytes: 100_000, ..Limits::default() };
    let (_folder, store) = store(blobs);
    let request = Request { into, wants: &[], watch: None };
    receive(&mut source, &request, store, &limits, &CancellationToken::new()).map_err(of_pack)
}

fn code(result: Result<ReceivedPack, ReceiveError>) -> String {
    result.map_or_else(
        |error| error.code().unwrap().to_string().trim_start_matches("mirror::fetch::").to_owned(),
        |_| "nothing wrong".to_owned(),
    )
}

fn check_fault(what: &str, bytes: Vec<u8>, expect: &str) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(code(take(bytes, 1 << 16, &[], folder.path())), expect, "{what}");
}

/// Reads all objects back by gix, which proves pack and index together.
fn objects(received: &ReceivedPack) -> Vec<(CommitId, Vec<u8>)> {
    let bundle = gix_pack::Bundle::at(&received.pack, gix_hash::Kind::Sha1).unwrap();
    let bytes = std::fs::read(&received.pack).unwrap();
    let (body, trailer) = bytes.split_last_chunk::<20>().unwrap();
    assert_eq!(trailer, Sha1::digest(body).as_slice());
    assert_eq!(trailer, received.checksum.as_bytes());
    let mut found = Vec::new();
    for entry in bundle.index.iter() {
        let mut buffer = Vec::new();
        let (object, _) = bundle
            .find(&entry.oid, &mut buffer, &mut Default::default(), &mut gix_pack::cache::Never)
            .unwrap()
            .unwrap();
        assert_eq!(gix_object::compute_hash(gix_hash::Kind::Sha1, object.kind, object.data).unwrap(), entry.oid);
        found.push((CommitId::from_bytes(entry.oid.as_bytes().try_into().unwrap()), object.data.to_vec()));
    }
    found
}

#[test]
fn every_form_of_an_entry_is_understood_in_pieces_of_every_size() {
    let (base, one, two, three) = (b"base", b"base one", b"base one two", b"base three");
    let bytes = Pack::new()
        .ref_delta(name(Kind::Blob, one), &append(8, b" two"))
        .blob(base)
        .ofs_delta(1, &append(4, b" one"))
        .ref_delta(name(Kind::Blob, base), &append(4, b" three"))
        .finish();
    let mut expect: Vec<(CommitId, Vec<u8>)> =
        [&base[..], one, two, three].iter().map(|object| (blob(object), object.to_vec())).collect();
    expect.sort();
    for size in [1, 2, 3, 7, 20, 1000] {
        let folder = tempfile::tempdir().unwrap();
        let received = take(bytes.clone(), size, &[], folder.path()).unwrap();
        assert_eq!((received.objects, received.bases), (4, 0));
        assert_eq!(received.bytes, bytes.len() as u64);
        assert_eq!(std::fs::read(&received.pack).unwrap(), bytes, "a complete pack stays as it came");
        assert_eq!(objects(&received), expect);
    }
}

#[test]
fn bases_from_the_store_become_part_of_the_pack_once() {
    let bytes = Pack::new()
        .ref_delta(name(Kind::Blob, b"here"), &append(4, b" a"))
        .ref_delta(name(Kind::Blob, b"here"), &append(4, b" b"))
        .ref_delta(name(Kind::Blob, b"here a"), &append(6, b" c"))
        .finish();
    let folder = tempfile::tempdir().unwrap();
    // The store also has one of the objects that come, which must not be added a second time.
    let received = take(bytes, 5, &[b"here", b"here a"], folder.path()).unwrap();
    assert_eq!(received.objects, 3);
    let mut expect: Vec<(CommitId, Vec<u8>)> = [&b"here"[..], b"here a", b"here b", b"here a c"]
        .iter()
        .map(|object| (blob(object), object.to_vec()))
        .collect();
    expect.sort();
    let mut found = objects(&received);
    found.dedup();
    assert_eq!(found, expect);
    assert!(received.contains(&blob(b"here")) && received.contains(&blob(b"here a c")));
}

#[test]
fn a_pack_may_be_empty_or_hold_an_object_twice() {
    let folder = tempfile::tempdir().unwrap();
    let received = take(Pack::new().finish(), 100, &[], folder.path()).unwrap();
    assert_eq!((received.objects, received.outside.len()), (0, 0));
    let folder = tempfile::tempdir().unwrap();
    let twice = Pack::new().blob(b"x").blob(b"x").ref_delta(name(Kind::Blob, b"x"), &append(1, b"y")).finish();
    let received = take(twice, 100, &[], folder.path()).unwrap();
    assert_eq!(received.objects, 3);
    assert!(received.contains(&blob(b"xy")));
}

#[test]
fn what_the_objects_refer_to_is_known_without_another_look() {
    let tree =
        [&b"100644 a\0"[..], &name(Kind::Blob, b"in"), b"100644 b\0", &[9; 20], b"160000 c\0", &[8; 20]].concat();
    let tree_id = CommitId::from_bytes(name(Kind::Tree, &tree));
    let parent = CommitId::from_bytes([7; 20]);
    let commit = format!("tree {tree_id}\nparent {parent}\nauthor a\n");
    let bytes = Pack::new().whole(Kind::Commit, commit.as_bytes()).whole(Kind::Tree, &tree).blob(b"in").finish();
    let folder = tempfile::tempdir().unwrap();
    let received = take(bytes, 100, &[], folder.path()).unwrap();
    let outside: Vec<_> = received.outside.iter().map(|outside| (outside.id, outside.kind)).collect();
    let expect = [(parent, Kind::Commit), (CommitId::from_bytes([9; 20]), Kind::Blob)];
    assert_eq!(outside, expect, "the submodule's commit is none of ours");
    assert_eq!(received.kind_of(&tree_id), Some(Kind::Tree));
    assert_eq!(received.kind_of(&parent), None);
}

#[test]
fn a_chain_of_any_length_is_resolved_without_recursion_and_in_little_memory() {
    let start = [b'x'; 50];
    let mut pack = Pack::new().blob(&start);
    for place in 0..5000 {
        // Replaces the last four bytes of its base.
        let delta = [&[50, 50, 0x90, 46, 4][..], &(place as u32).to_be_bytes()].concat();
        pack = pack.ofs_delta(place, &delta);
    }
    let folder = tempfile::tempdir().unwrap();
    let received = take(pack.finish(), 4096, &[], folder.path()).unwrap();
    assert_eq!(received.objects, 5001);
    let last = [&[b'x'; 46][..], &4999u32.to_be_bytes()].concat();
    assert!(received.contains(&blob(&last)));
}

#[test]
fn every_fault_of_a_pack_has_its_own_error() {
    let missing = Pack::new().ref_delta([5; 20], &append(4, b"x")).finish();
    check_fault("a base that is nowhere", missing, "pack_base");
    let circle = Pack::new()
        .ref_delta(name(Kind::Blob, b"b"), &[1, 1, 1, b'a'])
        .ref_delta(name(Kind::Blob, b"a"), &[1, 1, 1, b'b'])
        .finish();
    check_fault("two deltas on each other", circle, "pack_base");
    check_fault(
        "a delta for another base",
        Pack::new().blob(b"abc").ofs_delta(0, &append(4, b"x")).finish(),
        "pack_corrupt",
    );
    check_fault(
        "a delta that makes too much",
        Pack::new().blob(b"abc").ofs_delta(0, &[3, 0xff, 0xff, 0x7f, 0x90, 3]).finish(),
        "object_size",
    );
    let mut into_an_entry = Pack::new().blob(b"abc");
    into_an_entry.offsets[0] += 1;
    check_fault("a delta into an entry", into_an_entry.ofs_delta(0, &append(3, b"x")).finish(), "pack_corrupt");
    check_fault("a large object", Pack::new().blob(&[0; 100_001]).finish(), "object_size");
    let lies = Pack::new().entry(Header::object(Kind::Blob, 5), b"four");
    check_fault("an object smaller than it says", lies.finish(), "pack_corrupt");
    let lies = Pack::new().entry(Header::object(Kind::Blob, 3), b"four");
    check_fault("an object larger than it says", lies.finish(), "pack_corrupt");
    check_fault("no commit", Pack::new().whole(Kind::Commit, b"hello").finish(), "object_malformed");
    check_fault("no tree", Pack::new().whole(Kind::Tree, b"hello").finish(), "object_malformed");
    let tree = [&b"40000 a\0"[..], &name(Kind::Blob, b"in")].concat();
    check_fault(
        "a blob taken for a tree",
        Pack::new().whole(Kind::Tree, &tree).blob(b"in").finish(),
        "object_malformed",
    );
    let mut trailer = Pack::new().blob(b"x").finish();
    *trailer.last_mut().unwrap() ^= 1;
    check_fault("another trailer", trailer, "pack_checksum");
    check_fault(
        "bytes behind the trailer",
        [Pack::new().blob(b"x").finish(), b"more".to_vec()].concat(),
        "pack_corrupt",
    );
}

#[test]
fn what_was_wanted_must_come_or_be_here() {
    let wanted = blob(b"wanted");
    for (bytes, blobs, expect) in [
        (Pack::new().blob(b"wanted").finish(), vec![], "nothing wrong"),
        (Pack::new().blob(b"other").finish(), vec![&b"wanted"[..]], "nothing wrong"),
        (Pack::new().blob(b"other").finish(), vec![], "pack_wanted"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut source = Pieces { bytes, used: 0, size: 1000 };
        let request = Request { into: folder.path(), wants: &[wanted], watch: None };
        let (_folder, store) = store(&blobs);
        let received =
            receive(&mut source, &request, store, &Limits::default(), &CancellationToken::new()).map_err(of_pack);
        let left = folder.path().read_dir().unwrap().count();
        assert_eq!(left, if received.is_ok() { 2 } else { 0 }, "what is refused leaves nothing");
        assert_eq!(code(received), expect);
    }
}

#[test]
fn a_fetch_that_was_given_up_ends() {
    let folder = tempfile::tempdir().unwrap();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let bytes = Pack::new().blob(b"abc").ofs_delta(0, &append(3, b"x")).finish();
    let mut source = Pieces { bytes, used: 0, size: 1000 };
    let request = Request { into: folder.path(), wants: &[], watch: None };
    let ended = receive(&mut source, &request, store(&[]).1, &Limits::default(), &cancelled);
    assert_eq!(code(ended.map_err(of_pack)), "cancelled");
}

#[test]
fn a_pack_that_was_cut_leaves_its_folder_empty() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Pack::new().blob(b"abc").ofs_delta(0, &append(3, b"x")).finish();
    for cut in 0..whole.len() {
        let ended = take(whole[..cut].to_vec(), 7, &[], folder.path());
        assert!(ended.is_err(), "cut at {cut}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "cut at {cut}");
    }
    take(whole, 7, &[], folder.path()).unwrap();
}

#[test]
fn a_folder_that_does_not_take_the_pack_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ended = take(Pack::new().finish(), 100, &[], &folder.path().join("absent"));
    assert!(
        matches!(&ended, Err(ReceiveError::Disk { action: "create", path, .. }) if path.ends_with("absent/incoming.pack")),
        "{ended:?}"
    );
}

/// Remembers what it was told.
#[derive(Default)]
struct Remembers(Mutex<Vec<Progress<'static>>>);

impl Watch for Remembers {
    fn event(&self, progress: Progress<'_>) {
        let owned = match progress {
            Progress::Received { bytes, objects, total } => Progress::Received { bytes, objects, total },
            Progress::Resolved { deltas, total } => Progress::Resolved { deltas, total },
            Progress::Server(_) => return,
        };
        self.0.lock().unwrap().push(owned);
    }
}

#[test]
fn who_watches_is_told_the_final_counts() {
    let folder = tempfile::tempdir().unwrap();
    let remembers = Arc::new(Remembers::default());
    let watch: Arc<dyn Watch> = remembers.clone();
    let bytes = Pack::new().blob(b"abc").ofs_delta(0, &append(3, b"x")).finish();
    let length = bytes.len() as u64;
    let mut source = Pieces { bytes, used: 0, size: 1000 };
    let request = Request { into: folder.path(), wants: &[], watch: Some(&watch) };
    receive(&mut source, &request, store(&[]).1, &Limits::default(), &CancellationToken::new()).unwrap();
    let told = remembers.0.lock().unwrap();
    let last = &told[told.len() - 2..];
    assert_eq!(
        last,
        [Progress::Received { bytes: length, objects: 2, total: 2 }, Progress::Resolved { deltas: 1, total: 1 }]
    );
}

proptest! {
    /// Families of deltas of any shape come out as the objects they stand for.
    #[test]
    fn any_forest_of_deltas_is_resolved(parents in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<u8>()), 1..80), size in 1usize..200) {
        let mut pack = Pack::new().blob(b"root");
        let mut made: Vec<Vec<u8>> = vec![b"root".to_vec()];
        for (parent, by_name, byte) in parents {
            let base = parent.index(made.len());
            let tail = [byte, made.len() as u8];
            let delta = if made[base].len() < 100 { append(made[base].len(), &tail) } else { append(0, &tail) };
            if made[base].len() >= 100 {
                continue;
            }
            let object = [&made[base][..], &tail].concat();
            pack = if by_name { pack.ref_delta(name(Kind::Blob, &made[base]), &delta) } else { pack.ofs_delta(base, &delta) };
            made.push(object);
        }
        let folder = tempfile::tempdir().unwrap();
        let received = take(pack.finish(), size, &[], folder.path()).unwrap();
        let mut expect: Vec<(CommitId, Vec<u8>)> = made.into_iter().map(|object| (blob(&object), object)).collect();
        expect.sort();
        prop_assert_eq!(objects(&received), expect);
    }

    #[test]
    fn arbitrary_entries_never_panic(count in 0u32..5, bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1usize..50) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [b"PACK\0\0\0\x02", &count.to_be_bytes()[..], &bytes].concat();
        prop_assert!(take(bytes, size, &[], folder.path()).is_err());
    }
}
