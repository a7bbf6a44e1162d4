//! The file of an entry: the answer from its first byte on, so that it is sent as it lies, and behind it a footer that proves it.
//!
//! | bytes | what |
//! | --- | --- |
//! | *n* | the answer |
//! | 16 | `git-mirror pack` and the version of this form, 2 |
//! | 32 | the key |
//! | 8 | *n*, big-endian |
//! | 4 | CRC-32 of the answer, big-endian |
//!
//! Nothing is synced to the disk: a power cut may leave any bytes in a file of any name, and the proof finds that out before the first client gets one of
//! them. It is proof against accidents, and costs next to nothing beside the writing; what a pack says is proved by its own hash, which every client looks at.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crc32fast::Hasher;

use super::key::Key;

const MAGIC: &[u8; 16] = b"git-mirror pack\x02";
/// How long a footer is.
pub(super) const FOOTER: u64 = 16 + 32 + 8 + 4;
const BLOCK: usize = 256 << 10;

/// Writes the footer behind an answer.
pub(super) fn seal(file: &File, key: Key, length: u64, checksum: u32) -> io::Result<()> {
    file.write_all_at(&footer(key, length, checksum), length)
}

fn footer(key: Key, length: u64, checksum: u32) -> Vec<u8> {
    [&MAGIC[..], key.as_bytes(), &length.to_be_bytes(), &checksum.to_be_bytes()].concat()
}

/// Reads an entry's file through, and gives the answer's length; an error where the file is not what was sealed under the key. Blocks.
pub(super) fn verify(file: &File, key: Key) -> io::Result<u64> {
    let torn = || io::Error::new(io::ErrorKind::InvalidData, "the file is not what was made");
    let length = file.metadata()?.len().checked_sub(FOOTER).ok_or_else(torn)?;
    let mut found = vec![0; FOOTER as usize];
    file.read_exact_at(&mut found, length)?;
    // Before the answer is read: what is torn is most often torn here.
    if found[..56] != footer(key, length, 0)[..56] {
        return Err(torn());
    }
    let mut hash = Hasher::new();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact_at(&mut block[..wanted], at)?;
        hash.update(&block[..wanted]);
        at += wanted as u64;
    }
    if found == footer(key, length, hash.finalize()) { Ok(length) } else { Err(torn()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(answer: &[u8], key: Key) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(answer, 0).unwrap();
        seal(&file, key, answer.len() as u64, crc32fast::hash(answer)).unwrap();
        file
    }

    #[test]
    fn a_sealed_entry_is_proved() {
        let key = Key::from_bytes([7; 32]);
        for length in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5] {
            assert_eq!(verify(&sealed(&vec![9; length], key), key).unwrap(), length as u64);
        }
    }

    #[test]
    fn a_change_of_any_byte_and_a_cut_anywhere_is_found() {
        let key = Key::from_bytes([7; 32]);
        let length = 40 + FOOTER;
        for at in 0..length {
            let file = sealed(&[9; 40], key);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 1], at).unwrap();
            assert!(verify(&file, key).is_err(), "byte {at}");
            let file = sealed(&[9; 40], key);
            file.set_len(at).unwrap();
            assert!(verify(&file, key).is_err(), "cut at {at}");
        }
        let file = sealed(&[9; 40], key);
        file.set_len(length + 1).unwrap();
        assert!(verify(&file, key).is_err());
        assert!(verify(&sealed(&[9; 40], key), Key::from_bytes([8; 32])).is_err());
    }
}
