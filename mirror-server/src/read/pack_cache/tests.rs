//! An answer that grows, its readers, and the index, without any git.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mirror_core::config::{ByteSize, FreeSpace};
use mirror_engine::space::SpaceGuard;

use super::cached::CachedPack;
use super::in_progress::{Ending, InProgressPack};
use super::index::{Found, Index};
use super::key::Key;
use super::reader::Reader;
use super::reserve::Reserve;
use super::storage::Storage;
use super::window::WINDOW;
use crate::http::answer::FileBody;

/// Reads what is there for a reader; the error, the end, or that more may come.
fn read(reader: &mut Reader, into: &mut Vec<u8>) -> Poll<io::Result<()>> {
    loop {
        match reader.poll_region(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(region))) => {
                let start = into.len();
                into.resize(start + usize::try_from(region.length).unwrap(), 0);
                region.file.read_exact_at(&mut into[start..], region.offset).unwrap();
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => return Poll::Pending,
        }
    }
}

fn key(number: u8) -> Key {
    Key::from_bytes([number; 32])
}

fn kept(number: u8, length: u64) -> Arc<CachedPack> {
    let used = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(number.into());
    Arc::new(CachedPack::listed(key(number), length, used))
}

#[test]
fn readers_who_come_at_different_times_read_the_same() {
    let (pack, mut early) = InProgressPack::begin();
    pack.store_in(Arc::new(tempfile::tempfile().unwrap()));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    assert!(read(&mut early, &mut first).is_pending());
    pack.store(b"one ").unwrap();
    assert!(read(&mut early, &mut first).is_pending());
    assert_eq!(first, b"one ");
    let mut late = pack.join().unwrap();
    pack.store(b"two").unwrap();
    assert!(read(&mut late, &mut second).is_pending());
    assert_eq!((late.length(), pack.length_so_far()), (None, 7));
    pack.end(Ending::Whole);
    let mut last = pack.join().unwrap();
    assert_eq!(last.length(), Some(7));
    let mut third = Vec::new();
    for (reader, read_so_far) in [(&mut early, &mut first), (&mut late, &mut second), (&mut last, &mut third)] {
        assert!(matches!(read(reader, read_so_far), Poll::Ready(Ok(()))));
        assert_eq!(read_so_far, b"one two");
    }
}

#[test]
fn an_answer_that_is_cut_is_an_error_for_everybody_and_is_joined_by_nobody() {
    let (pack, mut reader) = InProgressPack::begin();
    pack.store_in(Arc::new(tempfile::tempfile().unwrap()));
    pack.store(b"half").unwrap();
    pack.end(Ending::Cut);
    pack.end(Ending::Whole);
    let mut bytes = Vec::new();
    assert!(matches!(read(&mut reader, &mut bytes), Poll::Ready(Err(_))));
    assert_eq!((bytes.as_slice(), reader.length()), (&b"half"[..], None));
    assert!(pack.join().is_none());
}

#[test]
fn the_last_reader_who_leaves_abandons_the_answer() {
    let (pack, one) = InProgressPack::begin();
    let other = pack.join().unwrap();
    drop(one);
    let third = pack.join().unwrap();
    drop((other, third));
    assert!(pack.join().is_none());
    let mut abandoned = std::pin::pin!(pack.abandoned());
    assert!(abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn what_the_disk_does_not_take_passes_through_memory_to_those_who_are_there() {
    let (pack, mut one) = InProgressPack::begin();
    let mut other = pack.join().unwrap();
    pack.store_in(Arc::new(tempfile::tempfile().unwrap()));
    pack.store(b"on disk, ").unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut expect = b"on disk, ".to_vec();
    // Far more than the window holds.
    for number in 0..u8::try_from((3 * WINDOW) >> 20).unwrap() {
        let piece = vec![number; 1 << 20];
        pack.pass(&piece, Duration::MAX).unwrap();
        expect.extend_from_slice(&piece);
        assert!(read(&mut one, &mut first).is_pending());
        assert!(read(&mut other, &mut second).is_pending());
    }
    assert!(pack.join().is_none(), "the beginning is gone");
    pack.end(Ending::Whole);
    assert!(matches!(read(&mut one, &mut first), Poll::Ready(Ok(()))));
    assert!(matches!(read(&mut other, &mut second), Poll::Ready(Ok(()))));
    assert!(first == expect && second == expect);
}

#[test]
fn who_holds_the_others_up_in_memory_loses_the_place() {
    let (pack, mut slow) = InProgressPack::begin();
    let mut quick = pack.join().unwrap();
    let mut bytes = Vec::new();
    for _ in 0..=(WINDOW >> 20) {
        pack.pass(&vec![7; 1 << 20], Duration::ZERO).unwrap();
        assert!(read(&mut quick, &mut bytes).is_pending());
    }
    pack.end(Ending::Whole);
    assert!(matches!(read(&mut quick, &mut bytes), Poll::Ready(Ok(()))));
    assert_eq!(bytes.len() as u64, WINDOW + (1 << 20));
    assert!(matches!(read(&mut slow, &mut Vec::new()), Poll::Ready(Err(_))));
}

#[test]
fn a_full_disk_is_told_and_changes_nothing() {
    let (pack, mut reader) = InProgressPack::begin();
    pack.store_in(Arc::new(File::options().write(true).open("/dev/full").unwrap()));
    let error = pack.store(b"x").unwrap_err();
    assert_eq!((error.kind(), pack.length_so_far()), (io::ErrorKind::StorageFull, 0));
    pack.pass(b"x", Duration::MAX).unwrap();
    pack.end(Ending::Whole);
    let mut bytes = Vec::new();
    assert!(matches!(read(&mut reader, &mut bytes), Poll::Ready(Ok(()))));
    assert_eq!(bytes, b"x");
}

#[test]
fn one_makes_what_many_ask_for() {
    let mut index = Index::default();
    let Found::Begun(pack, maker) = index.find(key(1)) else { panic!("nothing is there") };
    let Found::InProgress(joined) = index.find(key(1)) else { panic!("it is being made") };
    drop((maker, joined));
    let Found::Begun(again, _reader) = index.find(key(1)) else { panic!("it was given up") };
    index.forget(key(1), &pack);
    assert!(index.is_in_progress(key(1), &again), "what was given up takes nothing else away");
    index.forget(key(1), &again);
    assert!(!index.is_in_progress(key(1), &again));
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let mut index = Index::default();
    for number in [3, 1, 4, 2] {
        index.keep(kept(number, 3 * 4096));
    }
    assert_eq!(index.size(), (4 * 3 * 4096, 4));
    assert_eq!(index.promise(8192, 16 * 4096).unwrap().len(), 0);
    let evicted = index.promise(3 * 4096, 16 * 4096).unwrap();
    assert_eq!(evicted.iter().map(|cached| cached.key()).collect::<Vec<_>>(), [key(1)]);
    assert!(matches!(index.find(key(2)), Found::Cached(_)));
    assert!(matches!(index.find(key(1)), Found::Begun(..)));
    assert!(index.promise(12 * 4096, 16 * 4096).is_none(), "more than all there is");
    assert_eq!(index.size(), (3 * 3 * 4096, 3), "then nothing goes for it");
    index.release(5 * 4096);
    assert_eq!(index.promise(16 * 4096, 16 * 4096).unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_evicted_while_it_is_opened_does_not_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let length = 10;
    let path = folder.path().join(key(1).to_string());
    std::fs::write(&path, vec![0; length + usize::try_from(super::entry::FOOTER).unwrap()]).unwrap();
    let cached = Arc::new(CachedPack::built(key(1), length as u64, Arc::new(File::open(&path).unwrap())));
    let mut index = Index::default();
    index.keep(Arc::clone(&cached));
    cached.close();
    let opened = cached.open(folder.path()).await.unwrap();
    assert_eq!(index.evict(1).len(), 1);
    // Somebody else opens it before the file goes.
    let again = cached.open(folder.path()).await.unwrap();
    index.opened(&cached);
    let left = [opened.file, again.file].map(|file| Arc::downgrade(&file));
    assert!(left.iter().all(|file| file.upgrade().is_none()), "once it is read, nobody holds it");
}

#[test]
fn a_file_gets_another_name_where_one_has_the_name_already() {
    let folder = tempfile::tempdir().unwrap();
    let marks = FreeSpace { stop: ByteSize::bytes(0), resume: ByteSize::bytes(0) };
    let guard = Arc::new(SpaceGuard::new(folder.path().to_owned(), marks));
    let room = || Storage::at(folder.path().to_owned(), 1 << 20, Reserve::of(marks, Arc::clone(&guard)));
    let (one, other) = (room(), room());
    assert!(one.claim().unwrap().is_some());
    let made = one.create(true).unwrap();
    // As a process of the same number does, in another container.
    let beside = other.create(true).unwrap();
    beside.file.write_all_at(b"other", 0).unwrap();
    assert_eq!((made.file.metadata().unwrap().len(), std::fs::read_dir(folder.path()).unwrap().count()), (0, 2));
}

#[test]
fn the_name_of_an_entry_is_its_key() {
    for bytes in [[0; 32], [0xff; 32], std::array::from_fn(|at| (at * 9 % 256) as u8)] {
        let key = Key::from_bytes(bytes);
        assert_eq!(Key::from_name(&key.to_string()), Some(key));
    }
    let long = "0".repeat(65);
    for name in ["", "lock", &long[..63], &long, &"F".repeat(64), &"é".repeat(32)] {
        assert_eq!(Key::from_name(name), None, "{name}");
    }
}
