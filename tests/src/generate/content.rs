//! The contents of generated files: text that compresses as source code does, and bytes that do not compress.

use crate::rng::Rng;

const SYLLABLES: [&str; 32] = [
    "ac", "ber", "con", "del", "ex", "for", "gra", "hy", "in", "jun", "ka", "lo", "mer", "net", "ob", "pro", "qua",
    "re", "sol", "ter", "un", "ver", "wi", "xen", "yo", "zu", "ble", "tion", "ment", "ity", "ous", "al",
];

/// Writes one line of text; the same version of the same line of the same file is always the same.
pub(super) fn line(out: &mut Vec<u8>, seed: u64, file: u32, line: u32, version: u32) {
    let mut rng = Rng::of(seed, &[u64::from(file), u64::from(line), u64::from(version)]);
    out.extend(std::iter::repeat_n(b' ', 4 * rng.below(4) as usize));
    for _ in 0..3 + rng.below(6) {
        word(out, &mut rng);
        out.push(b' ');
    }
    // Numbers, hashes and identifiers are what keeps real text from compressing to nothing.
    out.extend_from_slice(format!("= {:x};\n", rng.draw()).as_bytes());
}

fn word(out: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..=rng.below(3) {
        out.extend_from_slice(SYLLABLES[rng.below(32) as usize].as_bytes());
    }
}

/// Gives bytes that do not compress.
pub(super) fn noise(seed: u64, asset: u32, bytes: u32) -> Vec<u8> {
    let mut rng = Rng::of(seed, &[u64::MAX, u64::from(asset)]);
    let mut noise: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| rng.draw().to_le_bytes()).collect();
    noise.truncate(bytes as usize);
    noise
}
