//! An arbitrary answer to a fetch, in version 2 and in version 0: the negotiation, the side band, and the pack in it.

#![no_main]

use git_mirror_fuzz::received::{check_fetch, named, opening, opening_v0};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((version, answer)) = bytes.split_first() else { return };
    let opening = if version % 2 == 0 { opening_v0() } else { opening() };
    check_fetch([&opening, answer].concat(), named());
});
