//! Repositories of realistic size and history, the same for the same seed.
//!
//! A [`Shape`] says how many files, how large, and how much a commit changes; a [`History`] writes commits of that shape by
//! `git fast-import` and goes on where it stopped. [`snapshots()`] writes snapshot refs by the hundred thousand.
//!
//! Never: the clock, or any randomness but the seed's.

mod content;
mod history;
mod presets;
mod shape;
mod snapshots;

pub use history::History;
pub use presets::{deep, grown};
pub use shape::Shape;
pub use snapshots::snapshots;
