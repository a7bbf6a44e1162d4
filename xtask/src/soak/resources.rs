//! The resources of the server over time: memory, open files, threads, packs, caches.

use std::path::Path;
use std::time::Duration;

use mirror_tests::load::{Clients, Counts};
use mirror_tests::procfs;
use mirror_tests::server::{Served, find_metric};
use mirror_tests::world::REPOSITORY;

use crate::run::{Outcome, print};

/// How many files an idle server may have open: 256 of cached packs, and its own.
const MOST_FILES: usize = 320;
/// By which factor memory may grow.
const MORE_MEMORY: u64 = 2;
/// How many threads an idle server may have: its workers, and blocking threads that were busy a moment ago.
const MOST_THREADS: usize = 64;
/// How many packs may be in use: maintenance runs every minute.
const MOST_PACKS: u64 = 200;

/// One sample of the server.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    id: u32,
    memory: u64,
    files: usize,
    threads: usize,
    packs: usize,
    /// Those that no other has replaced, when the server last counted them.
    used: Option<u64>,
    cache: u64,
    pack_cache: u64,
    counts: Counts,
}

/// The samples of the server, in their order.
#[derive(Debug, Default)]
pub(super) struct ResourceUse {
    samples: Vec<Sample>,
    from: Duration,
}

impl ResourceUse {
    /// Takes a sample of the server, and prints it.
    ///
    /// # Errors
    /// Where there is no server.
    pub(super) fn sample(&mut self, at: Duration, served: &Served, clients: &Clients) -> Outcome {
        let id = served.server.id();
        let cache = served.world.cache();
        let gone = || "the server is gone".to_owned();
        let sample = Sample {
            at,
            id,
            memory: procfs::resident_memory(id).ok_or_else(gone)?,
            files: procfs::open_files(id).ok_or_else(gone)?,
            threads: procfs::threads(id).ok_or_else(gone)?,
            packs: names(&cache.path().join("objects/pack")).filter(|name| name.ends_with(".pack")).count(),
            used: used(&served.server.get("/metrics").expect(200).text()),
            cache: size(cache.path()),
            pack_cache: size(&served.world.cache_folder().join("pack-cache")),
            counts: clients.counts(),
        };
        self.samples.push(sample);
        sample.print();
        Ok(())
    }

    /// Sets from when on the server was not restarted any more.
    pub(super) fn start_from(&mut self, from: Duration) {
        self.from = from;
    }

    /// Takes the last sample: the server is idle.
    ///
    /// # Errors
    /// Where there is no server.
    pub(super) fn finish(&mut self, served: &Served, clients: &Clients) -> Outcome {
        let at = self.samples.last().map(|sample| sample.at).unwrap_or_default();
        self.sample(at, served, clients)
    }

    /// Compares the end with the time when the last server had been warm for a while.
    ///
    /// # Errors
    /// Where it holds more than it should.
    pub(super) fn judge(&self, pack_cache: u64) -> Outcome {
        let Some(end) = self.samples.last() else { return Err("no sample was taken".to_owned()) };
        let warm = self.from + end.at.saturating_sub(self.from) / 4;
        let Some(before) = self.samples.iter().find(|sample| sample.at >= warm && sample.id == end.id) else {
            return Err("no sample was taken of the last server".to_owned());
        };
        print(&format!(
            "the server, at {} and at {}: memory {} MB, then {} MB; open files {}, then {}",
            clock(before.at),
            clock(end.at),
            before.memory >> 20,
            end.memory >> 20,
            before.files,
            end.files
        ));
        if end.files > MOST_FILES {
            return Err(format!("more than {MOST_FILES} files are left open in an idle server"));
        }
        if end.memory > before.memory * MORE_MEMORY {
            return Err("memory grows with time".to_owned());
        }
        if end.threads > MOST_THREADS {
            return Err(format!("more than {MOST_THREADS} threads are left in an idle server"));
        }
        if end.used.is_none_or(|used| used > MOST_PACKS) {
            return Err(format!("more than {MOST_PACKS} packs are in use, or they were not counted"));
        }
        if end.pack_cache > pack_cache + pack_cache / 10 {
            return Err("the cache of packs is larger than it may be".to_owned());
        }
        Ok(())
    }
}

impl Sample {
    fn print(&self) {
        let Counts { accepted, clones, listings, excused } = self.counts;
        print(&format!(
            "{}  {accepted} pushes, {clones} clones, {listings} listings, {excused} disturbed; server: {} MB, {} files, {} threads; cache: {} \
             packs ({} used), {} MB; pack cache: {} MB",
            clock(self.at),
            self.memory >> 20,
            self.files,
            self.threads,
            self.packs,
            self.used.unwrap_or_default(),
            self.cache >> 20,
            self.pack_cache >> 20
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

/// The bytes of all files below a folder; files that are removed meanwhile do not count.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}
