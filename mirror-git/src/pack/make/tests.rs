//! Which objects a pack holds, over a store in memory that counts what is read of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gix_hash::ObjectId;
use gix_object::{Data, Kind};

use super::*;

#[derive(Default, Clone)]
struct Store {
    objects: HashMap<ObjectId, (Kind, Vec<u8>)>,
    reads: Arc<AtomicUsize>,
}

impl Objects for Store {
    fn known(&self, ids: &[ObjectId]) -> Vec<ObjectId> {
        ids.iter().filter(|id| self.objects.contains_key(*id)).copied().collect()
    }

    fn read<'a>(&self, id: &ObjectId, buffer: &'a mut Vec<u8>) -> Result<Data<'a>, PackError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let (kind, data) = self.objects.get(id).ok_or(PackError::Missing { id: *id })?;
        buffer.clear();
        buffer.extend_from_slice(data);
        Ok(Data::new(buffer, *kind, gix_hash::Kind::Sha1))
    }
}

impl Store {
    fn add(&mut self, kind: Kind, data: Vec<u8>) -> ObjectId {
        let id = gix_object::compute_hash(gix_hash::Kind::Sha1, kind, &data).unwrap();
        self.objects.insert(id, (kind, data));
        id
    }

    /// Adds the tree of `files`, paths to contents; a content that begins with `commit ` stands for a submodule.
    fn tree(&mut self, files: &[(&str, &str)]) -> ObjectId {
        let mut here: BTreeMap<String, (&str, ObjectId)> = BTreeMap::new();
        let mut below: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (path, content) in files {
            match path.split_once('/') {
                Some((directory, rest)) => below.entry(directory).or_default().push((rest, content)),
                None if content.starts_with("commit ") => {
                    let id = gix_object::compute_hash(gix_hash::Kind::Sha1, Kind::Commit, content.as_bytes()).unwrap();
                    here.insert((*path).to_owned(), ("160000", id));
                }
                None => {
                    let id = self.add(Kind::Blob, content.as_bytes().to_vec());
                    here.insert((*path).to_owned(), ("100644", id));
                }
            }
        }
        for (directory, files) in below {
            let id = self.tree(&files);
            here.insert(format!("{directory}/"), ("40000", id));
        }
        let mut data = Vec::new();
        for (name, (mode, id)) in here {
            data.extend_from_slice(format!("{mode} {}\0", name.trim_end_matches('/')).as_bytes());
            data.extend_from_slice(id.as_slice());
        }
        self.add(Kind::Tree, data)
    }

    fn commit(&mut self, time: i64, parents: &[ObjectId], files: &[(&str, &str)]) -> ObjectId {
        let tree = self.tree(files);
        let parents: String = parents.iter().map(|id| format!("parent {id}\n")).collect();
        let who = format!("A U Thor <a@example.com> {time} +0000");
        self.add(
            Kind::Commit,
            format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nat {time}\n").into_bytes(),
        )
    }

    fn tag(&mut self, target: ObjectId, kind: &str) -> ObjectId {
        let who = "A U Thor <a@example.com> 1 +0000";
        self.add(Kind::Tag, format!("object {target}\ntype {kind}\ntag v1\ntagger {who}\n\nv1\n").into_bytes())
    }

    /// Everything that can be reached from a commit or tag.
    fn closure(&self, from: ObjectId, into: &mut BTreeSet<ObjectId>) {
        if !into.insert(from) {
            return;
        }
        let (kind, data) = &self.objects[&from];
        match kind {
            Kind::Blob => {}
            Kind::Tree => {
                for entry in gix_object::TreeRefIter::from_bytes(data, gix_hash::Kind::Sha1).map(Result::unwrap) {
                    if !entry.mode.is_commit() {
                        self.closure(entry.oid.to_owned(), into);
                    }
                }
            }
            Kind::Commit | Kind::Tag => {
                let text = String::from_utf8_lossy(data).into_owned();
                for line in text.lines().take_while(|line| !line.is_empty()) {
                    if let Some(("tree" | "parent" | "object", id)) = line.split_once(' ') {
                        self.closure(ObjectId::from_hex(id.as_bytes()).unwrap(), into);
                    }
                }
            }
        }
    }

    fn planned(&self, tips: &[ObjectId], boundaries: &[ObjectId]) -> Vec<ObjectId> {
        PackPlan::new(self, tips, boundaries).unwrap().entries.iter().map(|entry| entry.id).collect()
    }

    /// Plans, and compares with the difference of the two closures.
    fn check_exact(&self, tips: &[ObjectId], boundaries: &[ObjectId]) {
        self.check_sent_again(tips, boundaries, 0);
    }

    /// Plans; `again` objects that upstream has somewhere are sent nevertheless.
    fn check_sent_again(&self, tips: &[ObjectId], boundaries: &[ObjectId], again: usize) {
        let (mut wanted, mut there) = (BTreeSet::new(), BTreeSet::new());
        tips.iter().for_each(|tip| self.closure(*tip, &mut wanted));
        boundaries.iter().filter(|id| self.objects.contains_key(*id)).for_each(|tip| self.closure(*tip, &mut there));
        let planned = self.planned(tips, boundaries);
        let unique: BTreeSet<_> = planned.iter().copied().collect();
        assert_eq!(unique.len(), planned.len(), "nothing is sent twice");
        let missing: BTreeSet<_> = wanted.difference(&there).copied().collect();
        assert!(unique.is_superset(&missing), "nothing is left out");
        assert_eq!(unique.len() - missing.len(), again, "sent again: {:?}", unique.difference(&missing));
    }
}

#[test]
fn a_pack_holds_exactly_what_the_boundaries_lack() {
    let mut store = Store::default();
    let a = store.commit(1, &[], &[("x", "1"), ("d/y", "2"), ("d/e/z", "3"), ("sub", "commit 1")]);
    let b = store.commit(2, &[a], &[("x", "1"), ("d/y", "changed"), ("d/e/z", "3"), ("sub", "commit 2")]);
    let c = store.commit(3, &[b], &[("moved/y", "changed"), ("d/e/z", "3"), ("copy", "changed"), ("new", "n")]);
    let side = store.commit(3, &[a], &[("x", "1"), ("side", "s"), ("d/e/z", "3")]);
    let merge = store.commit(4, &[c, side], &[("moved/y", "changed"), ("side", "s"), ("x", "1")]);
    let unknown = ObjectId::from([7; 20]);
    store.check_exact(&[a], &[]);
    store.check_exact(&[b], &[a]);
    store.check_exact(&[c], &[b]);
    store.check_exact(&[c], &[a, unknown]);
    // The content of `copy` stands in a directory of b that needs no look, since the side branch has what is new there.
    store.check_sent_again(&[merge], &[b, side], 1);
    store.check_exact(&[merge], &[c]);
    store.check_exact(&[merge, side], &[]);
    store.check_exact(&[a], &[merge]);
    store.check_exact(&[c, side], &[merge]);
    assert!(store.planned(&[a], &[merge]).is_empty());
}

#[test]
fn tags_are_followed_on_both_sides() {
    let mut store = Store::default();
    let a = store.commit(1, &[], &[("x", "1")]);
    let b = store.commit(2, &[a], &[("x", "2")]);
    let tag = store.tag(a, "commit");
    let of_tag = store.tag(tag, "tag");
    let blob = store.add(Kind::Blob, b"loose end".to_vec());
    let of_blob = store.tag(blob, "blob");
    store.check_exact(&[of_tag], &[]);
    store.check_exact(&[of_tag], &[a]);
    store.check_exact(&[of_tag, b], &[tag]);
    store.check_exact(&[b], &[of_tag]);
    store.check_exact(&[b], &[of_blob, a]);
}

#[test]
fn clocks_that_went_backwards_only_cost_objects_never_lose_one() {
    let mut store = Store::default();
    let a = store.commit(1000, &[], &[("x", "1")]);
    let b = store.commit(5, &[a], &[("x", "2")]);
    let c = store.commit(2000, &[b], &[("x", "3")]);
    let d = store.commit(1, &[c], &[("x", "4")]);
    for (tip, boundary) in [(d, c), (d, b), (d, a), (c, d), (b, d)] {
        store.check_exact(&[tip], &[boundary]);
    }
}

#[test]
fn planning_costs_what_is_new_not_what_the_history_has() {
    let mut store = Store::default();
    let mut tip = store.commit(0, &[], &[("x", "0"), ("d/stays", "s")]);
    for time in 1..3000 {
        tip = store.commit(time, &[tip], &[("x", &time.to_string()), ("d/stays", "s")]);
    }
    let upstream = tip;
    let old = store.commit(3000, &[tip], &[("x", "branch")]);
    for time in 3001..3101 {
        tip = store.commit(time, &[tip], &[("x", &time.to_string()), ("d/stays", "s")]);
    }
    store.reads.store(0, Ordering::Relaxed);
    let plan = PackPlan::new(&store, &[tip], &[upstream, old]).unwrap();
    assert_eq!(plan.objects(), 300, "a commit, a tree and a blob each");
    let reads = store.reads.load(Ordering::Relaxed);
    assert!(reads < 250, "{reads} objects were read for 100 new commits on top of 3000");
}

#[test]
fn what_is_missing_or_of_another_kind_is_named() {
    let mut store = Store::default();
    let a = store.commit(1, &[], &[("x", "1")]);
    let b = store.commit(2, &[a], &[("d/x", "2")]);
    let blob = store.add(Kind::Blob, b"no commit".to_vec());
    let mut lacking = store.clone();
    lacking.objects.remove(&a);
    assert!(matches!(PackPlan::new(&lacking, &[b], &[]), Err(PackError::Missing { id }) if id == a));
    assert!(matches!(PackPlan::new(&store, &[blob], &[]), Err(PackError::Missing { id }) if id == blob));
    let tree = store.tree(&[("d/x", "2")]);
    let mut lacking = store.clone();
    lacking.objects.remove(&tree);
    assert!(matches!(PackPlan::new(&lacking, &[b], &[a]), Err(PackError::Missing { id }) if id == tree));
    let wrong =
        store.add(Kind::Commit, format!("tree {blob}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\nm\n").into());
    let error = PackPlan::new(&store, &[wrong], &[]).unwrap_err();
    assert!(matches!(error, PackError::Kind { id, found: Kind::Blob, expected: Kind::Tree } if id == blob), "{error}");
}

#[test]
fn a_pack_without_objects_is_still_a_pack() {
    let mut store = Store::default();
    let a = store.commit(1, &[], &[("x", "1")]);
    let plan = PackPlan::new(&store, &[a], &[a]).unwrap();
    let mut out = Vec::new();
    let figures = plan.write(&store, DeltaForm::OfsDelta, &mut out, &mut |_| {}).unwrap();
    assert_eq!(figures, PackFigures { objects: 0, deltas: 0, bytes: 32 });
    assert_eq!(out[..12], *b"PACK\0\0\0\x02\0\0\0\0");
}

#[test]
fn a_blob_that_changes_often_is_a_chain_of_deltas() {
    let mut store = Store::default();
    let body: String = (0..300u32).map(|n| format!("{:08x} some line\n", n.wrapping_mul(2_654_435_761))).collect();
    let first = store.commit(0, &[], &[("f", &body)]);
    let mut tip = first;
    for time in 1..=10 {
        tip = store.commit(time, &[tip], &[("f", &format!("{body}{time}\n"))]);
    }
    let plan = PackPlan::new(&store, &[tip], &[first]).unwrap();
    let mut out = Vec::new();
    let figures = plan.write(&store, DeltaForm::OfsDelta, &mut out, &mut |_| {}).unwrap();
    assert!(figures.deltas >= 10, "{figures:?}");
    assert!(figures.bytes < 3500, "{figures:?}: ten versions of {} bytes", body.len());
    assert_eq!(figures.bytes, out.len() as u64);
}

/// A writer that fails after some bytes.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_ends_the_pack() {
    let mut store = Store::default();
    let a = store.commit(1, &[], &[("x", "1")]);
    let plan = PackPlan::new(&store, &[a], &[]).unwrap();
    let error = plan.write(&store, DeltaForm::RefDelta, &mut Full(100), &mut |_| {}).unwrap_err();
    assert!(matches!(error, PackError::Write { .. }), "{error}");
}
