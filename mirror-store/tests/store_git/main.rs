//! The cache against real git: what one writes, the other reads, and each honours the other's locks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ancestry;
mod crash;
mod edits;
mod open;
mod packs;
mod receive;
mod refs;
mod sandbox;
mod snapshots;
mod view;
