//! When tags that could not be read are looked at again.

use std::fs;
use std::io::Write;
use std::path::Path;

use mirror_core::name::BranchName;

use super::super::View;
use super::*;

const TAG: &str = "0123456789012345678901234567890123456789";
const COMMIT: &str = "1111111111111111111111111111111111111111";

/// Writes the tag as a loose object, whole or as a disk gives it that fails.
fn write_tag(cache: &Path, is_whole: bool) {
    let text = format!("object {COMMIT}\ntype commit\ntag v1\ntagger t <t@x> 0 +0000\n\nv1\n");
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    write!(zlib, "tag {}\0{text}", text.len()).unwrap();
    let bytes = zlib.finish().unwrap();
    let file = cache.join("objects").join(&TAG[..2]).join(&TAG[2..]);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, if is_whole { &bytes } else { &b"no object"[..] }).unwrap();
}

/// Reads until the clock of the file system has moved on since the last change.
fn settled(cache: &Cache, mut view: View) -> View {
    while !(view.is_whole && view.parts.are_settled()) {
        view = cache.view(Some(&view)).unwrap();
    }
    view
}

fn tags(view: &View) -> Vec<(&str, Option<String>)> {
    view.tags().iter().map(|seen| (seen.name.as_str(), seen.peeled.map(|peeled| peeled.to_string()))).collect()
}

/// The same view, with another time of the last look at what could not be read.
fn tried_at(view: &View, time: Instant) -> View {
    let at = |tried: Option<Instant>| tried.map(|_| time);
    let folder = |folder: &Folder| Arc::new(Folder { tried: at(folder.tried), ..folder.clone() });
    let folders = view.parts.folders.iter().map(|(name, known)| (name.clone(), folder(known))).collect();
    let packed = Arc::new(PackedPart { tried: at(view.parts.packed.tried), ..(*view.parts.packed).clone() });
    View { parts: Parts { folders, packed }, refs: view.refs.clone(), unreadable: view.unreadable.clone(), ..*view }
}

/// As if the last look was just now, however slow this is, or so long ago that it is time for another.
fn fresh(view: &View) -> View {
    tried_at(view, Instant::now() + LOOK_AGAIN * 100)
}

fn stale(view: &View) -> View {
    tried_at(view, Instant::now().checked_sub(LOOK_AGAIN).unwrap())
}

#[test]
fn a_tag_that_could_not_be_read_is_looked_at_again_after_a_while_and_not_on_every_question() {
    for is_packed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let cache = Cache::create(&path, &BranchName::parse("main").unwrap()).unwrap();
        fs::create_dir_all(path.join("refs/tags")).unwrap();
        // The header of the packed refs does not say that it was looked at what tags are tags of.
        let light = format!("{COMMIT} refs/tags/light\n");
        match is_packed {
            true => fs::write(path.join("packed-refs"), format!("{light}{TAG} refs/tags/v1\n")).unwrap(),
            false => {
                fs::write(path.join("packed-refs"), light).unwrap();
                fs::write(path.join("refs/tags/v1"), format!("{TAG}\n")).unwrap();
            }
        }
        write_tag(&path, false);
        let hidden = fresh(&settled(&cache, cache.view(None).unwrap()));
        assert_eq!(tags(&hidden), [("refs/tags/light", None)], "{is_packed}");
        assert_eq!(hidden.unreadable().len(), 1);
        assert!(hidden.is_current());

        // What was wrong has passed, and left no trace in any folder of refs.
        write_tag(&path, true);
        assert!(hidden.is_current());
        assert_eq!(tags(&cache.view(Some(&hidden)).unwrap()), tags(&hidden));
        let later = stale(&hidden);
        assert!(!later.is_current());
        let seen = cache.view(Some(&later)).unwrap();
        assert_eq!(tags(&seen), [("refs/tags/light", None), ("refs/tags/v1", Some(COMMIT.to_owned()))], "{is_packed}");
        assert!(seen.unreadable().is_empty() && seen.is_current());
        assert!(stale(&seen).is_current(), "nothing is left to look at again");
    }
}

#[test]
fn a_packed_tag_that_stays_unreadable_is_left_alone_after_each_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    let cache = Cache::create(&path, &BranchName::parse("main").unwrap()).unwrap();
    fs::write(path.join("packed-refs"), format!("{COMMIT} refs/tags/light\n{TAG} refs/tags/v1\n")).unwrap();
    write_tag(&path, false);
    let mut view = settled(&cache, cache.view(None).unwrap());
    for _ in 0..3 {
        let (due, before) = (stale(&view), Instant::now());
        view = cache.view(Some(&due)).unwrap();
        assert!(view.parts.packed.tried.is_some_and(|tried| tried >= before));
        assert!(Arc::ptr_eq(&view.parts.packed.refs, &due.parts.packed.refs), "nothing else was read");
        assert_eq!((tags(&view), view.unreadable().len()), (vec![("refs/tags/light", None)], 1));
    }
}
