//! Packs whose frame is right and whose entries are anything: deltas on entries, on stored objects and on each other, trees, lies about sizes.

#![no_main]

use git_mirror_fuzz::pack::{Entry, pack_of};
use git_mirror_fuzz::received::{band_pack, check_fetch, opening};
use git_mirror_fuzz::store::Store;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, Option<i8>, Vec<Entry>)| {
    let (piece, lie, entries) = input;
    let mut said = opening();
    band_pack(&pack_of(&entries, lie.unwrap_or_default()), piece.into(), &mut said);
    // What is wanted is here already, so that no pack is refused for lacking it.
    check_fetch(said, Store::get().base);
});
