//! Push, held against git itself: the packs against `git index-pack` and `git pack-objects`, the conversation against
//! `git receive-pack` on pipes, and against scripted servers that break off, lie and stall.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod advertisement;
mod endings;
mod figures;
mod git;
mod packs;
mod receive;
mod scripted;
