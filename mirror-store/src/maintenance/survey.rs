//! What a cache is made of, as a report tells it. It only looks.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use mirror_core::report::maintain::StoreFacts;

use super::error::UpkeepError;
use super::garbage::Garbage;
use super::graph;
use super::loose;
use super::notes::Notes;
use super::packs::{PackFolder, Role};
use super::rules::UpkeepRules;
use crate::disk::{At, DiskError, free_space, is_absent};
use crate::open::Cache;
use crate::snapshots::list_loose;

/// Looks at a cache.
pub(super) fn survey(cache: &Cache, rules: &UpkeepRules) -> Result<StoreFacts, UpkeepError> {
    let notes = Notes::read(cache)?;
    let folder = PackFolder::read(cache, &notes)?;
    let mut facts = StoreFacts::default();
    for pack in &folder.packs {
        let (packs, bytes) = match pack.role {
            Role::Used | Role::Kept => {
                facts.packed_objects += pack.objects;
                (&mut facts.packs, &mut facts.pack_bytes)
            }
            Role::Superseded(_) => (&mut facts.superseded_packs, &mut facts.superseded_bytes),
            Role::Unreachable(_) => (&mut facts.unreachable_packs, &mut facts.unreachable_bytes),
        };
        *packs += 1;
        *bytes += pack.bytes;
    }
    let loose = loose::list_objects(cache)?;
    facts.loose_objects = loose.len() as u64;
    facts.loose_bytes = loose.iter().map(|object| object.bytes).sum();
    let garbage = Garbage::find(cache, &folder, rules)?;
    facts.garbage_files = garbage.due.len() as u64;
    facts.garbage_bytes = garbage.bytes();
    let mut refs = Vec::new();
    list_loose(&cache.layout().loose("refs"), "refs", &mut refs)?;
    facts.loose_refs = refs.len() as u64;
    facts.packed_refs = packed_refs(&cache.layout().packed_refs())?;
    facts.commit_graph_at = graph::written_at(cache)?;
    facts.free_bytes = free_space(cache.path())?;
    Ok(facts)
}

/// Counts the refs in the packed file: its lines, without those that say what a tag peels to.
fn packed_refs(path: &Path) -> Result<u64, DiskError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if is_absent(&source) => return Ok(0),
        Err(source) => return Err(DiskError::new("open", path, source)),
    };
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let (mut refs, mut line) = (0, Vec::new());
    while lines.read_until(b'\n', &mut line).at("read", path)? > 0 {
        refs += u64::from(!line.starts_with(b"#") && !line.starts_with(b"^"));
        line.clear();
    }
    Ok(refs)
}
