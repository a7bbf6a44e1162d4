//! The upkeep of a cache with real git: what it makes, what it removes and when, and that nobody who reads or dies meanwhile loses anything.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod closed;
mod crashes;
mod packs;
mod readers;
mod rig;
#[path = "../store_git/sandbox.rs"]
#[expect(dead_code, reason = "the tests of the cache need more of it")]
mod sandbox;
mod tidying;
mod unreachable;
