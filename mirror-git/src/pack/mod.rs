//! Packs: taking one that comes in, and making one that goes out.
//!
//! # Source
//!
//! `gitformat-pack(5)`.

pub mod make;
pub mod receive;
