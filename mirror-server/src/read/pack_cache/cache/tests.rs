//! What is kept and what goes at the same time, under one key.

use std::os::unix::fs::FileExt;

use mirror_core::config::{ByteSize, FreeSpace};
use mirror_engine::space::SpaceGuard;

use super::super::entry::seal;
use super::*;

const ANSWER: &[u8] = b"an answer";

fn pack_cache(folder: &std::path::Path) -> PackCache {
    let marks = FreeSpace { stop: ByteSize::bytes(0), resume: ByteSize::bytes(0) };
    let reserve = Reserve::of(marks, Arc::new(SpaceGuard::new(folder.to_owned(), marks)));
    let metrics = Arc::new(Metrics::new());
    let slots = BuildSlots::new(1, 1, Arc::clone(&metrics));
    PackCache::open(folder.to_owned(), 1 << 20, reserve, slots, Timeouts::default(), metrics)
}

/// Makes an answer up to where it is to be cached.
fn made(inner: &Inner, key: Key) -> (PartialFile, Arc<CachedPack>, Arc<InProgressPack>, Reader) {
    let Found::Begun(pack, reader) = inner.index().find(key) else { panic!("nothing is there") };
    let partial = inner.room.create(true).unwrap();
    partial.file.write_all_at(ANSWER, 0).unwrap();
    seal(&partial.file, key, ANSWER.len() as u64, crc32fast::hash(ANSWER)).unwrap();
    let cached = CachedPack::built(key, ANSWER.len() as u64, Arc::clone(&partial.file));
    (partial, Arc::new(cached), pack, reader)
}

#[test]
fn what_is_kept_again_while_it_is_evicted_has_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let pack_cache = pack_cache(folder.path());
    let (inner, key) = (&pack_cache.inner, Key::from_bytes([1; 32]));
    let file = folder.path().join(key.to_string());
    let (partial, first, pack, _reader) = made(inner, key);
    inner.keep(partial, first, &pack).unwrap();
    // It goes from the index, and is made again before its file goes.
    let evicted = inner.index().evict(1);
    let (partial, second, pack, _reader) = made(inner, key);
    inner.keep(partial, Arc::clone(&second), &pack).unwrap();
    inner.remove(&evicted);
    assert!(file.exists());
    second.close();
    assert!(matches!(inner.index().find(key), Found::Cached(cached) if Arc::ptr_eq(&cached, &second)));
    // The same where it was found to be damaged and is still in the index; and then nobody has it.
    inner.discard(&evicted[0], &io::Error::other("it was damaged"));
    assert!(file.exists());
    inner.discard(&second, &io::Error::other("it was damaged"));
    assert!(!file.exists() && inner.index().size() == (0, 0));
}

#[test]
fn what_another_is_made_in_the_place_of_takes_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let pack_cache = pack_cache(folder.path());
    let (inner, key) = (&pack_cache.inner, Key::from_bytes([1; 32]));
    let (partial, cached, pack, _reader) = made(inner, key);
    inner.forget(key, &pack);
    inner.keep(partial, cached, &pack).unwrap();
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["lock"]);
    assert_eq!(inner.index().size(), (0, 0));
}
