//! The loose refs of one folder, and what they peel to.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use mirror_core::name::{CommitId, RefName};

use super::{SeenRef, TAGS};
use crate::disk::Stamp;
use crate::disk::{At, DiskError, is_absent};
use crate::objects::ObjectError;
use crate::open::Cache;
use crate::refs::RefError;

/// The loose refs that stand in one folder, as they were when it was read.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) stamp: Option<Stamp>,
    pub(super) is_settled: bool,
    pub(super) refs: Vec<SeenRef>,
    /// Files that are named like refs and hold no value.
    pub(super) unreadable: Vec<RefName>,
    /// When tags among them were last tried in vain.
    pub(super) tried: Option<Instant>,
    /// The names of the folders in it.
    pub(super) folders: Vec<String>,
}

impl Folder {
    /// Reads a folder, whose stamp was taken before. What a tag peels to is taken from an earlier reading where it is known.
    pub(super) fn read(
        cache: &Cache,
        name: &str,
        stamp: Option<Stamp>,
        now: SystemTime,
        earlier: Option<&Folder>,
    ) -> Result<Self, RefError> {
        let path = cache.layout().loose(name);
        let is_settled = stamp.is_none_or(|stamp| stamp.is_settled(now));
        let mut folder = Self {
            path,
            stamp,
            is_settled,
            refs: Vec::new(),
            unreadable: Vec::new(),
            tried: None,
            folders: Vec::new(),
        };
        let entries = match fs::read_dir(&folder.path) {
            Ok(entries) => entries,
            Err(source) if is_absent(&source) => return Ok(folder),
            Err(source) => return Err(DiskError::new("list", &folder.path, source).into()),
        };
        for entry in entries {
            let entry = entry.at("list", &folder.path)?;
            let Ok(part) = entry.file_name().into_string() else { continue };
            let name = format!("{name}/{part}");
            if entry.file_type().at("look at", &folder.path)?.is_dir() {
                folder.folders.push(name);
            } else if let Ok(name) = RefName::parse(&name) {
                // Locks end with `.lock`, which no ref does.
                folder.take(cache, name)?;
            }
        }
        if name == TAGS || name.starts_with("refs/tags/") {
            folder.peel(cache, earlier)?;
        }
        Ok(folder)
    }

    fn take(&mut self, cache: &Cache, name: RefName) -> Result<(), RefError> {
        match cache.find_loose(&name) {
            Ok(Some(value)) => self.refs.push(SeenRef { name, value, peeled: None }),
            // It went away since the folder was listed.
            Ok(None) => {}
            Err(RefError::Symbolic { .. } | RefError::MalformedLoose { .. }) => self.unreadable.push(name),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn peel(&mut self, cache: &Cache, earlier: Option<&Folder>) -> Result<(), RefError> {
        let known: HashMap<CommitId, Option<CommitId>> =
            earlier.iter().flat_map(|earlier| &earlier.refs).map(|seen| (seen.value, seen.peeled)).collect();
        let mut odb = None;
        let mut unreadable = Vec::new();
        for seen in &mut self.refs {
            if let Some(peeled) = known.get(&seen.value) {
                seen.peeled = *peeled;
                continue;
            }
            let odb = match &mut odb {
                Some(odb) => odb,
                none => none.insert(cache.odb()?),
            };
            match cache.peel(odb, seen.value) {
                Ok(peeled) => seen.peeled = peeled,
                Err(ObjectError::Unreadable { .. }) => unreadable.push(seen.name.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        if !unreadable.is_empty() {
            self.refs.retain(|seen| !unreadable.contains(&seen.name));
            self.unreadable.append(&mut unreadable);
            self.tried = Some(Instant::now());
        }
        Ok(())
    }
}
