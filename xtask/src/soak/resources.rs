//! What the server holds as time goes by.

use std::path::Path;
use std::time::Duration;

use mirror_tests::load::{Crowd, Seen};
use mirror_tests::procfs;
use mirror_tests::server::{Served, find_metric};
use mirror_tests::world::REPOSITORY;

use crate::run::{Outcome, say};

/// How many files a server may have open that nobody asks: 256 of kept packs, and what stands for itself.
const MOST_FILES: usize = 320;
/// How many times as much memory.
const MORE_MEMORY: u64 = 2;
/// How many threads: those that serve, and those that waited for a disk a moment ago.
const MOST_THREADS: usize = 64;
/// How many packs may be in use: there is an upkeep each minute.
const MOST_PACKS: u64 = 200;

/// One look at the server.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: Duration,
    id: u32,
    memory: u64,
    files: usize,
    threads: usize,
    packs: usize,
    /// Those that no other has replaced, when the server last counted them.
    used: Option<u64>,
    cache: u64,
    kept: u64,
    seen: Seen,
}

/// The looks at the server, in their order.
#[derive(Debug, Default)]
pub(super) struct Growth {
    looks: Vec<Look>,
    from: Duration,
}

impl Growth {
    /// Looks at the server, and tells what it sees.
    ///
    /// # Errors
    /// Where there is no server.
    pub(super) fn look(&mut self, at: Duration, site: &Served, crowd: &Crowd) -> Outcome {
        let id = site.server.id();
        let cache = site.world.cache();
        let gone = || "the server is gone".to_owned();
        let look = Look {
            at,
            id,
            memory: procfs::resident_memory(id).ok_or_else(gone)?,
            files: procfs::open_files(id).ok_or_else(gone)?,
            threads: procfs::threads(id).ok_or_else(gone)?,
            packs: names(&cache.path().join("objects/pack")).filter(|name| name.ends_with(".pack")).count(),
            used: used(&site.server.get("/metrics").expect(200).text()),
            cache: size(cache.path()),
            kept: size(&site.world.cache_folder().join("pack-cache")),
            seen: crowd.seen(),
        };
        self.looks.push(look);
        look.tell();
        Ok(())
    }

    /// Says from when on the server was not replaced any more.
    pub(super) fn looked_from(&mut self, from: Duration) {
        self.from = from;
    }

    /// Looks for the last time: nobody asks the server any more.
    ///
    /// # Errors
    /// Where there is no server.
    pub(super) fn settle(&mut self, site: &Served, crowd: &Crowd) -> Outcome {
        let at = self.looks.last().map(|look| look.at).unwrap_or_default();
        self.look(at, site, crowd)
    }

    /// Compares the end with the time when the last server had been warm for a while.
    ///
    /// # Errors
    /// Where it holds more than it should.
    pub(super) fn judge(&self, pack_cache: u64) -> Outcome {
        let Some(end) = self.looks.last() else { return Err("nobody looked".to_owned()) };
        let warm = self.from + end.at.saturating_sub(self.from) / 4;
        let Some(before) = self.looks.iter().find(|look| look.at >= warm && look.id == end.id) else {
            return Err("nobody looked while the last server lived".to_owned());
        };
        say(&format!(
            "the server, at {} and at {}: memory {} MB, then {} MB; open files {}, then {}",
            clock(before.at),
            clock(end.at),
            before.memory >> 20,
            end.memory >> 20,
            before.files,
            end.files
        ));
        if end.files > MOST_FILES {
            return Err(format!("more than {MOST_FILES} files are left open, and nobody asks for anything"));
        }
        if end.memory > before.memory * MORE_MEMORY {
            return Err("memory grows with time".to_owned());
        }
        if end.threads > MOST_THREADS {
            return Err(format!("more than {MOST_THREADS} threads are left, and nobody asks for anything"));
        }
        if end.used.is_none_or(|used| used > MOST_PACKS) {
            return Err(format!("more than {MOST_PACKS} packs are in use, or nobody counts them"));
        }
        if end.kept > pack_cache + pack_cache / 10 {
            return Err("the cache of packs is larger than it may be".to_owned());
        }
        Ok(())
    }
}

impl Look {
    fn tell(&self) {
        let Seen { accepted, clones, listings, excused } = self.seen;
        say(&format!(
            "{}  {accepted} pushes, {clones} clones, {listings} listings, {excused} disturbed; server: {} MB, {} files, {} threads; cache: {} \
             packs ({} used), {} MB; kept: {} MB",
            clock(self.at),
            self.memory >> 20,
            self.files,
            self.threads,
            self.packs,
            self.used.unwrap_or_default(),
            self.cache >> 20,
            self.kept >> 20
        ));
    }
}

/// How many packs were in use when the server last counted; nothing where it has not yet.
fn used(metrics: &str) -> Option<u64> {
    let count = |name| find_metric(metrics, &format!("{name}{{repository=\"{REPOSITORY}\"}}"));
    let (all, replaced) = (count("git_mirror_store_packs")?, count("git_mirror_store_packs_replaced")?);
    Some((all - replaced) as u64)
}

fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// The bytes of all files below a folder; those that go meanwhile do not count.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}
