//! On what kind of file system a cache lies, or is going to lie, and how much room it has.
//!
//! A cache belongs on a disk of its machine: `op.lock` has to be released by the kernel when its holder dies, and the stamps of folders, by which views of refs are
//! kept true, have to be those of one clock. File systems of a network promise neither.

use std::io;
use std::path::Path;

use super::error::{At, DiskError};

/// Numbers by which file systems of a network name themselves.
///
/// # Source
/// `statfs(2)`; Linux, `include/uapi/linux/magic.h` and the sources of CIFS, Ceph, Lustre and GPFS.
const OF_A_NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x5346_414f, "AFS"),
];

/// Names the file system of a network on which a path lies, or would lie once it is made; nothing where it is a local one, or cannot be told.
#[must_use]
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    let path = std::path::absolute(path).ok()?;
    let found = path.ancestors().find_map(|place| rustix::fs::statfs(place).ok())?;
    // Only the low half of the number is one; it comes with a sign on some machines.
    named(found.f_type as u32)
}

fn named(number: u32) -> Option<&'static str> {
    OF_A_NETWORK.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// Gives the bytes that this user may still write on the file system of a path, or of the nearest folder above it that is there.
///
/// # Errors
/// What the disk refuses.
pub fn free_space(path: &Path) -> Result<u64, DiskError> {
    let absolute = std::path::absolute(path).at("look at", path)?;
    let asked = |place: &Path| match rustix::fs::statvfs(place) {
        Err(rustix::io::Errno::NOENT) => None,
        asked => Some(asked),
    };
    let seen = absolute.ancestors().find_map(asked).unwrap_or(Err(rustix::io::Errno::NOENT));
    let seen = seen.map_err(io::Error::from).at("look at", path)?;
    Ok(seen.f_bavail.saturating_mul(seen.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_a_network_are_known_by_their_numbers() {
        assert_eq!(named(0x6969), Some("NFS"));
        assert_eq!(named(0xff53_4d42_u32), Some("CIFS"));
        // ext4, XFS, Btrfs, overlayfs, tmpfs, ZFS.
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x794c_7630, 0x0102_1994, 0x2fc1_2fc1] {
            assert_eq!(named(local), None, "{local:x}");
        }
    }

    #[test]
    fn the_nearest_folder_that_is_there_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let asked = rustix::fs::statfs(folder.path()).unwrap().f_type as u32;
        assert_eq!(network_file_system(&folder.path().join("not/made/yet")), named(asked));
        assert_eq!(network_file_system(Path::new("")), None);
    }

    #[test]
    fn the_room_of_a_folder_that_is_not_made_yet_is_that_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_space(&folder.path().join("not/made/yet")).unwrap() > 0);
        assert!(free_space(Path::new("/proc/self/status/below")).is_err(), "no folder, and not absent");
    }
}
