//! Arbitrary bytes as a pack, behind a good conversation and with the right trailer: what is taken can be read back, object by object.

#![no_main]

use git_mirror_fuzz::pack::sealed;
use git_mirror_fuzz::received::{band_pack, check_fetch, opening};
use git_mirror_fuzz::store::Store;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (piece, bytes) = input;
    let mut said = opening();
    band_pack(&sealed(bytes.to_vec()), piece.into(), &mut said);
    // What is wanted is here already, so that no pack is refused for lacking it.
    check_fetch(said, Store::get().base);
});
