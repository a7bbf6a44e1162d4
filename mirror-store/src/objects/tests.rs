//! When the store is opened anew, and when what is open serves on.

use std::time::Duration;

use super::*;

struct Place {
    root: tempfile::TempDir,
    layout: Layout,
    objects: Objects,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.packs()).unwrap();
        Self { root, layout, objects: Objects::default() }
    }

    fn add(&self, stem: &str) {
        for ending in ["pack", "idx"] {
            fs::write(self.file(stem, ending), "").unwrap();
        }
    }

    fn file(&self, stem: &str, ending: &str) -> PathBuf {
        self.root.path().join(format!("objects/pack/{stem}.{ending}"))
    }

    fn look(&self) -> Arc<gix_odb::Store> {
        self.objects.current(&self.layout).unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut KnownPacks)) {
        change(&mut self.objects.open.lock().unwrap().as_mut().unwrap().packs);
    }
}

#[test]
fn a_pack_that_came_leaves_the_store_open_and_one_that_went_does_not() {
    let place = Place::new();
    place.add("pack-a");
    let first = place.look();
    for (number, stem) in ["pack-b", "pack-c", "pack-d"].into_iter().enumerate() {
        place.add(stem);
        fs::write(place.file(stem, "keep"), "").unwrap();
        assert!(Arc::ptr_eq(&first, &place.look()), "{number} came");
    }
    fs::remove_file(place.file("pack-d", "keep")).unwrap();
    assert!(Arc::ptr_eq(&first, &place.look()), "no pack went");
    // One that was there at first, one that came later; either of its files; and one that went as another came.
    let mut before = first;
    for (stem, ending, new) in [("pack-a", "idx", None), ("pack-b", "pack", None), ("pack-c", "idx", Some("pack-e"))] {
        fs::remove_file(place.file(stem, ending)).unwrap();
        new.iter().for_each(|new| place.add(new));
        let after = place.look();
        assert!(!Arc::ptr_eq(&before, &after), "{stem}.{ending} went");
        assert!(Arc::ptr_eq(&after, &place.look()));
        before = after;
    }
}

#[test]
fn the_folder_is_read_where_it_changed_or_may_have_and_otherwise_not() {
    let place = Place::new();
    place.add("pack-a");
    let before = place.look();
    // What is not there counts as gone once the folder is read.
    place.change(|packs| packs.names.extend(["pack-none.idx".into()]));
    place.change(|packs| packs.is_settled = true);
    assert!(Arc::ptr_eq(&before, &place.look()));
    // The same stamp, which a change within one step of the clock leaves as well.
    place.change(|packs| packs.is_settled = false);
    let after = place.look();
    assert!(!Arc::ptr_eq(&before, &after));
    // Another one.
    place.change(|packs| packs.names.extend(["pack-none.idx".into()]));
    place.change(|packs| (packs.stamp, packs.is_settled) = (None, true));
    assert!(!Arc::ptr_eq(&after, &place.look()));
}

#[test]
fn a_folder_counts_as_read_for_good_once_its_stamp_is_old() {
    let place = Place::new();
    let stamp = Stamp::of(&place.layout.packs()).unwrap();
    let read = |now| KnownPacks::read(&place.layout.packs(), stamp, now).unwrap().is_settled;
    let now = SystemTime::now();
    assert!(!read(now - Duration::from_secs(1)));
    assert!(read(now + Duration::from_secs(1)));
}

#[test]
fn a_store_without_a_folder_of_packs_is_one_without_packs() {
    let place = Place::new();
    place.add("pack-a");
    let before = place.look();
    fs::remove_dir_all(place.layout.packs()).unwrap();
    let after = place.look();
    assert!(!Arc::ptr_eq(&before, &after));
    assert!(Arc::ptr_eq(&after, &place.look()));
}
