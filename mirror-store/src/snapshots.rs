//! The snapshots of a cache, and when each was made.
//!
//! A ref has no date: a loose file's time is lost when it is packed, and the commit's own date may lie years before the sync that brought
//! it. So each snapshot's time is one line of `git-mirror/snapshots.log`, `<time> <ref>`, appended and on the disk *before* the ref is
//! made: a snapshot without a time is one that somebody else made, and one that retention must take for young. The latest line of a ref
//! counts: an earlier one is of an attempt that came to nothing, or of a snapshot that was dropped since. The log is written anew, without
//! what is gone, when a prune drops snapshots.
//!
//! Listing costs as much as there are snapshots; only `snapshots list` and `prune` do it, never sync or status.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;
use mirror_core::name::{CommitId, RefName, RefPrefix};
use mirror_core::snapshot::SnapshotName;

use super::disk::{At, DiskError, is_absent, replace, sync};
use super::open::Cache;
use super::operation::Operation;
use super::refs::RefError;

/// A ref name has to fit into a path.
const LINE_LIMIT: u64 = 8192;

/// A snapshot that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFound {
    /// What its ref is named.
    pub name: SnapshotName,
    /// What its ref holds. Anything but the commit in its name is the work of a stranger.
    pub value: CommitId,
    /// When it was made; `None` where git-mirror did not make it, or not yet recorded it.
    pub made_at: Option<Timestamp>,
}

/// Everything under the prefix of snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// The snapshots, in the order of their names.
    pub found: Vec<SnapshotFound>,
    /// Refs under the prefix that are named like no snapshot. Nothing of git-mirror touches them.
    pub strangers: Vec<RefName>,
}

impl Cache {
    /// Lists all snapshots.
    ///
    /// # Errors
    /// A ref that cannot be read, and what the disk refuses.
    pub fn snapshots(&self, prefix: &RefPrefix) -> Result<Snapshots, RefError> {
        let mut times = self.made_at()?;
        let mut snapshots = Snapshots::default();
        for (name, value) in self.refs_below(prefix)? {
            match SnapshotName::parse(prefix, &name) {
                Ok(parsed) => {
                    let made_at = times.remove(name.as_str());
                    snapshots.found.push(SnapshotFound { name: parsed, value, made_at });
                }
                Err(_) => snapshots.strangers.push(name),
            }
        }
        Ok(snapshots)
    }

    /// Reads all refs under a prefix, loose and packed.
    fn refs_below(&self, prefix: &RefPrefix) -> Result<BTreeMap<RefName, CommitId>, RefError> {
        // Loose first: what is packed in between is found in the file of packed refs, which is read afterwards.
        let mut loose = Vec::new();
        list_loose(&self.layout().loose(prefix.as_str()), prefix.as_str(), &mut loose)?;
        let mut refs = BTreeMap::new();
        for name in loose {
            if let Some(value) = self.find_loose(&name)? {
                refs.insert(name, value);
            }
        }
        for (name, value) in self.inner.packed.below(&format!("{prefix}/"))? {
            refs.entry(name).or_insert(value);
        }
        Ok(refs)
    }

    /// Reads the log: for each ref the latest time, since retention must never take a snapshot for older than it is.
    fn made_at(&self) -> Result<HashMap<String, Timestamp>, DiskError> {
        let path = self.layout().snapshots_made();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) if is_absent(&source) => return Ok(HashMap::new()),
            Err(source) => return Err(DiskError::new("open", path, source)),
        };
        let mut times = HashMap::new();
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line).at("read", &path)? > 0 {
            if let Some((name, time)) = parse_line(&line) {
                let made = times.entry(name).or_insert(time);
                *made = time.max(*made);
            }
            line.clear();
        }
        Ok(times)
    }
}

impl Operation {
    /// Records that snapshots are about to be made. Called before [`Operation::apply`] makes them; also for snapshots that were found
    /// without a time, which from then on age.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn note_made(&self, snapshots: &[RefName], at: Timestamp) -> Result<(), DiskError> {
        if snapshots.is_empty() {
            return Ok(());
        }
        let path = self.cache().layout().snapshots_made();
        let mut log = File::options().read(true).append(true).create(true).open(&path).at("open", &path)?;
        let length = log.metadata().at("look at", &path)?.len();
        let mut text = Vec::new();
        if length > 0 {
            // A line that a crash cut in the middle is ended, so that it spoils only itself.
            let mut last = [0];
            log.seek(SeekFrom::Start(length - 1)).and_then(|_| log.read_exact(&mut last)).at("read", &path)?;
            if last != *b"\n" {
                text.push(b'\n');
            }
        }
        for name in snapshots {
            writeln!(text, "{at} {name}").at("write", &path)?;
        }
        log.write_all(&text).at("write", &path)?;
        log.sync_all().at("sync", &path)?;
        if length == 0 { sync(&self.cache().own_folder()) } else { Ok(()) }
    }

    /// Writes the log anew without the refs that were dropped.
    pub(super) fn forget_made(&self, dropped: &dyn Fn(&str) -> bool) -> Result<(), DiskError> {
        let path = self.cache().layout().snapshots_made();
        let times = self.cache().made_at()?;
        let mut kept: Vec<(&String, &Timestamp)> = times.iter().filter(|(name, _)| !dropped(name)).collect();
        kept.sort_by(|a, b| (a.1, a.0).cmp(&(b.1, b.0)));
        let file = self.folder().join("snapshots.log");
        let mut out = BufWriter::new(File::create(&file).at("create", &file)?);
        for (name, time) in kept {
            writeln!(out, "{time} {name}").at("write", &file)?;
        }
        let out = out.into_inner().map_err(std::io::IntoInnerError::into_error).at("write", &file)?;
        out.sync_all().at("sync", &file)?;
        replace(&file, &path)
    }
}

fn parse_line(line: &[u8]) -> Option<(String, Timestamp)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (time, name) = line.split_once(' ')?;
    Some((name.to_owned(), time.parse().ok()?))
}

/// Lists the loose refs of a folder and of all below it.
pub(super) fn list_loose(folder: &Path, name: &str, found: &mut Vec<RefName>) -> Result<(), DiskError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if is_absent(&source) => return Ok(()),
        Err(source) => return Err(DiskError::new("list", folder, source)),
    };
    for entry in entries {
        let entry = entry.at("list", folder)?;
        let Ok(part) = entry.file_name().into_string() else { continue };
        let name = format!("{name}/{part}");
        if entry.file_type().at("look at", folder)?.is_dir() {
            list_loose(&entry.path(), &name, found)?;
        } else if let Ok(name) = RefName::parse(&name) {
            // Locks end with `.lock`, which no ref does.
            found.push(name);
        }
    }
    Ok(())
}
