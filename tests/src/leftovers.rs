//! What an operation may leave behind in a cache, and what it may not.
//!
//! Never: reading git's objects or refs; that is what `git fsck` is for.

use std::path::Path;

/// Names everything in a cache that belongs to no finished operation: locks, folders of operations, halves of packs, files under a
/// temporary name. Sorted, relative to the cache; a cache that is not there has none.
pub fn leftovers(cache: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(cache, cache, &mut found);
    found.sort();
    found
}

fn walk(cache: &Path, folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let relative = path.strip_prefix(cache).expect("because the walk stays below the cache");
        let relative = relative.to_string_lossy().into_owned();
        if is_leftover(&relative, &path) {
            found.push(relative);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(cache, &path, found);
        }
    }
}

fn is_leftover(relative: &str, path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let alone = |other: &str| !path.with_extension(other).exists();
    match extension {
        // These two files stay; the lock itself is the kernel's.
        "lock" => !matches!(relative, "git-mirror/op.lock" | "git-mirror/receive.lock"),
        "new" | "tmp" | "temp" => true,
        "pack" => alone("idx"),
        "idx" | "keep" | "rev" => alone("pack"),
        _ => {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("tmp_") || name.starts_with(".tmp") || relative.starts_with("git-mirror/op/")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_listed_and_regular_files_are_not() {
        let folder = tempfile::tempdir().expect("because a temporary folder can be made");
        let expected_files = [
            "HEAD",
            "git-mirror/op.lock",
            "objects/pack/pack-1.pack",
            "objects/pack/pack-1.idx",
            "git-mirror/journal/1.jsonl",
        ];
        let left = [
            "git-mirror/op/dead/quarantine/x",
            "objects/pack/pack-2.pack",
            "objects/pack/pack-3.idx",
            "objects/pack/tmp_pack_1",
            "packed-refs.lock",
            "refs/heads/main.lock",
        ];
        for name in expected_files.iter().chain(&left) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("because it stands in a folder"))
                .expect("because it is writable");
            std::fs::write(path, "").expect("because it is writable");
        }
        let mut expected = left.map(str::to_owned);
        expected[0] = "git-mirror/op/dead".to_owned();
        assert_eq!(leftovers(folder.path()), expected);
    }
}
