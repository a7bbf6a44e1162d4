//! The way of one pack from the first byte to the synced files.

use std::fs::{File, OpenOptions, Permissions};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use gix_hash::ObjectId;
use gix_object::Kind;
use mirror_core::name::CommitId;
use tokio_util::sync::CancellationToken;

use super::complete::Completion;
use super::entry::Form;
use super::error::{Failure, ReceiveError};
use super::index_file::{self, Indexed};
use super::limits::Limits;
use super::received::{Outside, PackCounts, PackFiles, ReceivedPack};
use super::request::Request;
use super::resolve::{Families, Found};
use super::scan::{Scan, malformed, scan};
use super::source::PackSource;
use super::watch::{Progress, Throttle};
use crate::entry::Id;
use crate::references::References;

/// Takes the pack that `source` gives into the request's folder. One that could not be taken leaves nothing of what arrived.
///
/// Blocks; `cancelled` ends it between two objects. `objects` gives the bases of deltas that the pack lacks.
///
/// # Errors
/// [`Failure::Source`] from the source, [`Failure::Pack`] where the pack may not be kept.
pub fn receive<S, F>(
    source: &mut S,
    request: &Request<'_>,
    objects: F,
    limits: &Limits,
    cancelled: &CancellationToken,
) -> Result<ReceivedPack, Failure<S::Error>>
where
    S: PackSource,
    F: gix_object::Find,
{
    let path = request.into.join("incoming.pack");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(disk("create", &path))?;
    let received = take((source, &file, &path), request, &objects, limits, cancelled);
    if received.is_err() {
        // The failure is what counts, and a file that stays is in a folder that its owner removes.
        let _ = std::fs::remove_file(&path);
    }
    received
}

fn take<S, F>(
    (source, file, path): (&mut S, &File, &Path),
    request: &Request<'_>,
    objects: &F,
    limits: &Limits,
    cancelled: &CancellationToken,
) -> Result<ReceivedPack, Failure<S::Error>>
where
    S: PackSource,
    F: gix_object::Find,
{
    let Scan { entries, mut references, kept, end, checksum } = scan(source, (file, path), limits, request.watch)?;

    let families = Families::new((file, path), (&entries, &kept, end), limits, cancelled);
    let total = families.deltas();
    let throttle = Mutex::new(Throttle::new());
    let tell = || {
        let Some(watch) = request.watch else { return };
        if throttle.try_lock().is_ok_and(|mut throttle| throttle.due()) {
            watch.event(Progress::Resolved { deltas: families.resolved(), total });
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut found = families.resolve_own(threads, &tell)?;
    let mut completion = Completion::new(file, path, end);
    found.extend(resolve_thin(&families, objects, &mut completion)?);
    if let (Some(watch), true) = (request.watch, total > 0) {
        watch.event(Progress::Resolved { deltas: families.resolved(), total });
    }

    let mut named: Vec<(Indexed, Kind)> = Vec::with_capacity(entries.len());
    for entry in &entries {
        if let Form::Whole { kind, id } = entry.form {
            named.push((Indexed { id, offset: entry.offset, crc: entry.crc }, kind));
        }
    }
    for worker in found {
        references.merge(worker.references);
        for object in worker.objects {
            let entry = &entries[object.place as usize];
            named.push((Indexed { id: object.id, offset: entry.offset, crc: entry.crc }, object.kind));
        }
    }
    let counts = PackCounts { objects: entries.len() as u32, bases: completion.added.len() as u32, bytes: end + 20 };
    drop(families);
    drop((entries, kept));
    for base in &completion.added {
        named.push((base.object, base.kind));
    }
    named.sort_unstable_by_key(|(object, _)| *object);
    let outside = prove_kinds(references, &named)?;
    let kinds: Vec<_> = named.iter().map(|(object, kind)| (CommitId::from_bytes(object.id), *kind)).collect();
    // Before the files get their names: a pack without what was wanted must not look like one that was taken.
    verify_wanted(&kinds, request, objects)?;
    let indexed: Vec<Indexed> = named.iter().map(|(object, _)| *object).collect();
    let checksum = if completion.added.is_empty() { checksum } else { completion.finish(indexed.len() as u32)? };
    let files = put_in_place(request.into, path, file, &indexed, checksum)?;
    Ok(ReceivedPack::new(files, counts, kinds, outside))
}

/// Proves that every object is what others take it for, and gives what they refer to outside the pack.
fn prove_kinds(mut references: References, named: &[(Indexed, Kind)]) -> Result<Vec<Outside>, ReceiveError> {
    for (object, kind) in named {
        if !references.remove(&object.id).are_only(*kind) {
            return Err(malformed(object.id, "others refer to it as something it is not"));
        }
    }
    let left = references.into_sorted().into_iter();
    left.map(|(id, kinds)| match kinds.only() {
        Some(kind) => Ok(Outside { id: CommitId::from_bytes(id), kind }),
        None => Err(malformed(id, "others refer to it as two different things")),
    })
    .collect()
}

/// Resolves the deltas that stand on objects of the cache, which become part of the pack.
fn resolve_thin<F: gix_object::Find>(
    families: &Families<'_>,
    objects: &F,
    completion: &mut Completion<'_>,
) -> Result<Vec<Found>, ReceiveError> {
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    for base in families.missing() {
        // An earlier one may have brought it.
        if !families.waits_for(&base) {
            continue;
        }
        let object = objects.try_find(&ObjectId::Sha1(base), &mut buffer);
        let object = object
            .map_err(|error| ReceiveError::Store { object: CommitId::from_bytes(base), detail: error.to_string() })?;
        let Some(kind) = object.map(|object| object.kind) else { continue };
        completion.add(base, kind, &buffer)?;
        found.push(families.resolve_on(&base, kind, buffer.clone())?);
    }
    match families.missing().first() {
        Some(base) => Err(ReceiveError::MissingBase { base: CommitId::from_bytes(*base) }),
        None => Ok(found),
    }
}

/// Syncs the pack, gives it its name, and writes its index beside it.
fn put_in_place(
    folder: &Path,
    incoming: &Path,
    file: &File,
    indexed: &[Indexed],
    checksum: Id,
) -> Result<PackFiles, ReceiveError> {
    let checksum_name = CommitId::from_bytes(checksum);
    let pack = folder.join(format!("pack-{checksum_name}.pack"));
    let index = pack.with_extension("idx");
    let read_only = || Permissions::from_mode(0o444);
    file.set_permissions(read_only()).map_err(disk("protect", incoming))?;
    file.sync_all().map_err(disk("sync", incoming))?;
    std::fs::rename(incoming, &pack).map_err(disk("rename", incoming))?;

    let out = OpenOptions::new().write(true).create_new(true).open(&index).map_err(disk("create", &index))?;
    index_file::write(indexed, &checksum, BufWriter::with_capacity(256 << 10, &out)).map_err(disk("write", &index))?;
    out.set_permissions(read_only()).map_err(disk("protect", &index))?;
    out.sync_all().map_err(disk("sync", &index))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk("sync", folder))?;
    Ok(PackFiles { pack, index, checksum: checksum_name })
}

/// Proves that everything wanted has come, which `kinds` tells in order, or was here.
fn verify_wanted<F: gix_object::Find>(
    kinds: &[(CommitId, Kind)],
    request: &Request<'_>,
    objects: &F,
) -> Result<(), ReceiveError> {
    let mut buffer = Vec::new();
    for wanted in request.wants {
        if kinds.binary_search_by_key(wanted, |(id, _)| *id).is_ok() {
            continue;
        }
        match objects.try_find(&ObjectId::Sha1(*wanted.as_bytes()), &mut buffer) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(ReceiveError::MissingWanted { wanted: *wanted }),
            Err(error) => {
                return Err(ReceiveError::Store { object: *wanted, detail: error.to_string() });
            }
        }
    }
    Ok(())
}

fn disk<'a>(action: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> ReceiveError + 'a {
    move |source| ReceiveError::Disk { action, path: path.to_owned(), source }
}
